"""Machine-readable metadata of a release: MLCommons Croissant 1.0, as JSON-LD.

Source: docs.mlcommons.org/croissant.
"""

from privessel.release.checks.licences import LICENCES

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
DESCRIBED = {
    "data/pairs.npz": "application/x-npz",
    "data/png/pairs.csv": "text/csv",
    "privacy.json": "application/json",
}
VERSION = "1.0.0"
CITATION = (
    "Kossen et al. 2022, Toward Sharing Brain Images: Differentially Private TOF-MRA Images With "
    "Segmentation Labels Using Generative Adversarial Networks, Front. Artif. Intell. 5:813842, "
    "doi:10.3389/frai.2022.813842"
)


def describe_dataset(numbers: dict, digests: dict[str, str]) -> dict:
    """Return croissant.json, which describes the pairs as arrays and as PNG. `numbers` is privacy.json.

    digests: the SHA-256 of each of DESCRIBED by its path.
    """
    data = numbers["data"]
    files = [_file(path, encoding, digests[path]) for path, encoding in DESCRIBED.items()]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": data["name"],
        "description": f"Synthetic patches of brain vessels (TOF-MRA) with labels. {data['description']}",
        "creator": [{"@type": "sc:Organization", "name": creator} for creator in data["creators"]],
        "license": LICENCES[data["licence"]],
        "version": VERSION,
        "citeAs": CITATION,
        "distribution": [*files, _file_set("images", "image"), _file_set("labels", "label")],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "pairs",
                "name": "pairs",
                "description": "One image and its label a record, by the names of their files in data/png.",
                "key": {"@id": "pairs/image"},
                "field": [_column("image", "a patch, 8 bit, scaled by itself to 0..255"),
                          _column("label", "vessel 255, anything else 0")],
            },
            _pictures("image"),
            _pictures("label"),
        ],
    }  # fmt: skip


def _file(path, encoding, digest):
    name = path.rpartition("/")[2]
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": path,
        "encodingFormat": encoding,
        "sha256": digest,
    }


def _file_set(name, stem):
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "encodingFormat": "image/png",
        "includes": f"data/png/{stem}-*.png",
    }


def _column(name, description):
    return {
        "@type": "cr:Field",
        "@id": f"pairs/{name}",
        "name": name,
        "description": f"File name: {description}.",
        "dataType": "sc:Text",
        "source": {"fileObject": {"@id": "pairs.csv"}, "extract": {"column": name}},
    }


def _pictures(stem):
    """Return the record set of all images, or of all labels, each with its file's name and its pixels."""

    def field(name, kind, read):
        return {
            "@type": "cr:Field",
            "@id": f"{stem}s-as-pixels/{name}",
            "name": name,
            "dataType": kind,
            "source": {"fileSet": {"@id": f"{stem}s"}, "extract": {"fileProperty": read}},
        }

    return {
        "@type": "cr:RecordSet",
        "@id": f"{stem}s-as-pixels",
        "name": f"{stem}s-as-pixels",
        "field": [field("file", "sc:Text", "filename"), field("pixels", "sc:ImageObject", "content")],
    }
