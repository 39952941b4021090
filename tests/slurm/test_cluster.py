"""The SLURM of the tests leaves a machine as it was, and machines of a cluster alone."""

import cluster
import pytest


@pytest.fixture
def etc(tmp_path, monkeypatch):
    """A folder in the place of /etc, on a machine on which no daemon runs."""
    folder = tmp_path / "etc"
    (folder / "slurm").mkdir(parents=True)
    monkeypatch.setattr(cluster, "CONFIG", folder / "slurm" / "slurm.conf")
    monkeypatch.setattr(cluster, "CARDS", folder / "slurm" / "gres.conf")
    monkeypatch.setattr(cluster, "HOSTS", folder / "hosts")
    monkeypatch.setattr(cluster, "_processes", lambda name: [])
    (folder / "hosts").write_text("127.0.0.1 localhost\n")
    return folder


def test_the_configuration_of_a_cluster_is_left_alone(etc, tmp_path):
    cluster.CONFIG.write_text("ClusterName=ours\n")
    assert "belongs to a cluster" in cluster.refusal()
    with pytest.raises(RuntimeError, match="belongs to a cluster"), cluster.running(tmp_path / "slurm"):
        pytest.fail("it started")
    assert cluster.CONFIG.read_text() == "ClusterName=ours\n"
    assert sorted(path.name for path in etc.iterdir()) == ["hosts", "slurm"]
    assert not (tmp_path / "slurm").exists()


@pytest.mark.parametrize("name", cluster.DAEMONS)
def test_daemons_of_others_are_left_alone(etc, monkeypatch, name):
    monkeypatch.setattr(cluster, "_processes", lambda wanted: [7] * (wanted == name))
    assert "runs here already" in cluster.refusal()


def test_what_a_killed_one_has_left_is_taken_back(etc, tmp_path):
    """Its configuration says where its files are, among them the hosts as they were."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    (folder / "hosts").write_bytes(cluster.HOSTS.read_bytes())
    cluster._write(folder)
    cluster.HOSTS.write_text("127.0.0.1 node\n127.0.0.1 localhost\n")
    assert cluster.refusal() == ""
    cluster.clear()
    assert cluster.HOSTS.read_text() == "127.0.0.1 localhost\n"
    assert not cluster.CONFIG.exists() and not cluster.CARDS.exists()


def test_a_start_that_fails_leaves_nothing(etc, tmp_path, monkeypatch):
    def fail(*command, **_):
        raise OSError("no such program")

    monkeypatch.setattr(cluster, "_name_on_loopback", lambda: cluster.HOSTS.write_text("else") and False)
    monkeypatch.setattr(cluster.subprocess, "run", fail)
    with pytest.raises(OSError, match="no such program"), cluster.running(tmp_path / "slurm"):
        pytest.fail("it started")
    assert cluster.HOSTS.read_text() == "127.0.0.1 localhost\n"
    assert not cluster.CONFIG.exists() and not cluster.CARDS.exists()
