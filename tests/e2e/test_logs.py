"""What services write is in the journal, and `kprov logs` reads it."""

from __future__ import annotations

from tests.e2e.cluster import LabCluster, kprov

# Regular files below /var/log that the main processes of these units have open for writing.
WRITTEN = """
for unit in kubelet containerd; do
  pid=$(systemctl show -p MainPID --value $unit)
  for fd in /proc/$pid/fd/*; do
    file=$(readlink $fd)
    case $file in /var/log/*) grep -q 'flags:.*[12]$' /proc/$pid/fdinfo/${fd##*/} && echo "$unit $file";; esac
  done
done
true
"""


def test_services_write_to_the_journal_and_containers_to_files_that_the_kubelet_rotates(cluster: LabCluster) -> None:
    written = {tuple(line.split()) for line in cluster.ssh("cp1", WRITTEN).splitlines()}
    assert {unit for unit, _ in written} == {"containerd"}
    assert all(file.startswith("/var/log/pods/") for _, file in written)
    for unit, service in (("kubelet", "kubelet.service"), ("runtime", "containerd.service")):
        done = kprov("logs", cluster.node("cp1"), unit, "-n", "5", "-i", str(cluster.inventory))
        assert done.exit_code == 0, done.stderr
        assert 0 < len(done.data["lines"]) <= 5
        assert {line["unit"] for line in done.data["lines"]} == {service}
