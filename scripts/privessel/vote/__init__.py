"""The vote: patients choose among public sets of labelled patches, by a differentially private draw."""
