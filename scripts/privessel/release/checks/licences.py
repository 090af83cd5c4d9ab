"""The licences that a release may have, and its LICENSE."""

LICENCES = {
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "CC-BY-NC-4.0": "https://creativecommons.org/licenses/by-nc/4.0/",
}


def write_licence(numbers: dict) -> str:
    """Return LICENSE: whose the data are, and the licence's name and address."""
    data = numbers["data"]
    return (
        f"{data['name']}\nBy {', '.join(data['creators'])}\n\nThe files of this folder may be used under "
        f"{data['licence']}:\n{LICENCES[data['licence']]}\n\nverify.py and the files in checks are part of "
        "privessel and may be used under the MIT licence:\nhttps://spdx.org/licenses/MIT.html\n"
    )
