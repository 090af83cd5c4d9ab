"""Landmarks of the vessels in a full-size head: (x, y, z, radius) in template mm, right half.

Courses are placed by hand on the anatomy of the circle of Willis. Radii follow published diameters: cavernous
ICA 5.0, its end 3.6, M1 3.1 and M2 2.4 mm (Rai 2013, J NeuroInterv Surg 5:371), M1 2.55 mm over 76 studies
(Mirza 2024, doi:10.1161/svin.123.001177), distal VA 2.8, basilar artery 3.6 to 3.1 mm (Rai 2013b,
Dimensions of the posterior cerebral circulation, J NeuroInterv Surg); vessels look wider in CT
angiograms than in TOF, so the radii lie at the lower end. Variants: Hindenes 2020
(doi:10.1371/journal.pone.0241373), Macchi 1996 (Ital J Anat Embryol 101:115).
"""

Course = tuple[tuple[float, float, float, float], ...]

# name: (segment it continues, course, exists on both sides); a parent comes before its children
TRUNKS: dict[str, tuple[str, Course, bool]] = {
    "va": ("", ((10, -27, -30, 1.6), (5, -20, -22, 1.6), (0, -14, -16, 1.6)), True),
    "basilar": (
        "va",
        ((0, -14, -16, 1.8), (0.5, -9, -9, 1.75), (-0.5, -7, -2, 1.7), (0, -8, 4.5, 1.55)),
        False,
    ),
    "ica": (
        "",
        (
            (30, -14, -30, 2.3),
            (29, -10, -20, 2.3),
            (23, 0, -16, 2.3),
            (15, 6, -13, 2.2),
            (13, 15, -9, 2.1),
            (13.5, 21, -4, 2.0),
            (13, 17, 1, 2.0),
            (11.5, 11, 3, 1.9),
            (13, 9, 9, 1.7),
        ),
        True,
    ),
    "m1": ("ica", ((13, 9, 9, 1.45), (20, 10, 11, 1.4), (28, 8, 9.5, 1.35), (34, 7, 9, 1.25)), True),
    "m2_superior": (
        "m1",
        ((34, 7, 9, 1.05), (38, 4, 14, 1.0), (38, -3, 22, 0.95), (41, -10, 27, 0.85)),
        True,
    ),
    "m2_inferior": ("m1", ((34, 7, 9, 1.0), (38, 1, 8, 0.95), (40, -9, 11, 0.9), (44, -19, 16, 0.8)), True),
    "a1": ("ica", ((13, 9, 9, 1.15), (9, 13, 11, 1.1), (5, 16, 9.5, 1.1), (2.2, 18, 10.5, 1.1)), True),
    "a2": (
        "a1",
        (
            (2.2, 18, 10.5, 1.1),
            (1.8, 25, 15, 1.05),
            (1.6, 32, 24, 1.0),
            (2, 33, 34, 0.9),
            (2, 24, 43, 0.85),
            (2, 8, 48, 0.75),
        ),
        True,
    ),
    "acom": ("a1", ((-2.2, 18, 10.5, 0.7), (2.2, 18, 10.5, 0.7)), False),
    "pcom": ("ica", ((12, 10, 5, 0.55), (11, 2, 5, 0.55), (9, -7, 5.5, 0.6)), True),
    "p2": (
        "basilar",
        (
            (0, -8, 4.5, 1.2),
            (6, -7, 6, 1.15),
            (12, -11, 6, 1.1),
            (17, -20, 5, 1.05),
            (15, -31, 7, 1.0),
            (12, -41, 10, 0.9),
        ),
        True,
    ),
    "sca": ("basilar", ((0.3, -8.3, 2, 0.7), (7, -12, 0, 0.65), (14, -22, -3, 0.6)), True),
}

# course, exists on both sides; the sagittal sinus and the cortical veins follow the surface of the head
VEINS: tuple[tuple[Course, bool], ...] = (
    (((3, 12, 24, 0.5), (2, -4, 27, 0.8), (1, -30, 25, 1.1), (0, -38, 24, 1.3)), True),  # internal cerebral
    (
        ((12, -4, 8, 0.5), (16, -16, 12, 0.8), (13, -30, 18, 1.0), (0, -38, 24, 1.2)),
        True,
    ),  # basal (Rosenthal)
    (((0, -38, 24, 1.5), (0, -52, 20, 1.8), (0, -76, 6, 2.2)), False),  # great vein and straight sinus
    (
        ((0, -79, 6, 2.0), (22, -77, 1, 2.0), (44, -60, -5, 2.2), (53, -40, -13, 2.4), (50, -30, -26, 2.4)),
        True,
    ),  # transverse
)

CORTICAL_VEIN = (0.45, 1.0)  # radius in mm where it starts and where it reaches the sagittal sinus

# centres of the regions that each artery feeds: (x, y, z) in template mm
TERRITORIES: dict[str, tuple[tuple[float, float, float], ...]] = {
    "mca": ((46, -5, 20), (40, 22, 16), (44, -28, 26)),
    "aca": ((5, 30, 34), (6, 2, 50)),
    "pca": ((14, -46, 14), (8, -60, 24), (22, -36, 2)),
    "sca": ((16, -32, -10),),
}
FEEDERS: dict[str, tuple[str, ...]] = {
    "mca": ("m2_superior", "m2_inferior"),
    "aca": ("a2",),
    "pca": ("p2",),
    "sca": ("sca",),
}
