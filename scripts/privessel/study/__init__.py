"""What one study is: its config, names, plan, checks and resources, as the rules ask for them."""
