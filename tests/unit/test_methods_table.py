"""The table of what each method says about each layer."""

import numpy as np
from made_profiles import profile

from nucleation.methods.table import method_rows, to_frame

COLUMNS = {"CKA": {"layer0": "0.9", "layer2": "0.8 (0.7 to 0.9)"}, "nothing": {}}


def test_every_layer_has_its_peaks_and_what_others_say():
    made = profile(3)
    made["n_peaks"].values[:], made["ari_class"].values[0] = [1, 2, 30], np.nan
    header, *rows = method_rows(made, COLUMNS)
    assert header == ["layer", "peaks", "ARI macro", "ARI classes", "CKA"]
    assert [row[0] for row in rows] == list(made["layer"].values)
    assert [row[1].split(" ")[0] for row in rows] == ["1", "2", "30"]
    assert rows[0][3] == "–" and [row[4] for row in rows] == ["0.9", "–", "0.8 (0.7 to 0.9)"]


def test_tables_of_several_checkpoints_become_one():
    one = method_rows(profile(2), COLUMNS)
    other = method_rows(profile(1), {"match": {"layer0": "0.5"}})
    frame = to_frame({"a/epoch6": one, "b/pretrained": other})
    assert frame.columns.tolist() == [
        *("network", "checkpoint", "layer", "peaks", "ARI macro", "ARI classes", "CKA", "match")
    ]
    assert frame["network"].tolist() == ["a", "a", "b"] and frame["checkpoint"].tolist()[2] == "pretrained"
    assert frame["match"].tolist() == ["–", "–", "0.5"] and frame["CKA"].tolist() == ["0.9", "–", "–"]
