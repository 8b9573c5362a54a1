"""Memory is what the kernel says, and in a container what the container may have."""

from app.machine import gigabytes, memory_available, memory_total

MEMINFO = "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    8000 kB\n"


def test_without_a_limit_the_machines_memory_counts(tmp_path):
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_total(tmp_path / "meminfo", tmp_path) == 16000 * 1024
    assert memory_available(tmp_path / "meminfo", tmp_path) == 8000 * 1024


def test_in_a_container_the_lesser_counts_and_cached_files_are_no_use_of_it(tmp_path):
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 500000\ninactive_file 300000\nactive_file 50000\n")
    assert memory_total(tmp_path / "meminfo", tmp_path) == 1_000_000
    assert memory_available(tmp_path / "meminfo", tmp_path) == 450_000


def test_the_limit_of_a_service_counts_and_that_of_the_slice_it_is_in(tmp_path):
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "own").write_text("0::/neurona.slice/neurona.service\n")
    unit = tmp_path / "neurona.slice" / "neurona.service"
    unit.mkdir(parents=True)
    (unit / "memory.max").write_text("2000000\n")
    (unit / "memory.current").write_text("500000\n")
    assert memory_total(tmp_path / "meminfo", tmp_path, tmp_path / "own") == 2_000_000
    assert memory_available(tmp_path / "meminfo", tmp_path, tmp_path / "own") == 1_500_000
    (unit.parent / "memory.max").write_text("1000000\n")
    (unit.parent / "memory.current").write_text("600000\n")
    assert memory_total(tmp_path / "meminfo", tmp_path, tmp_path / "own") == 1_000_000
    assert memory_available(tmp_path / "meminfo", tmp_path, tmp_path / "own") == 400_000


def test_a_container_of_a_host_with_the_first_version_of_cgroups_has_its_limit_too(tmp_path):
    """Such a container is told the path that its group has on the host, and sees the group itself."""
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "own").write_text("5:cpu,cpuacct:/\n4:memory:/docker/5f0c\n0::/docker/5f0c\n")
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("1000000\n")
    (tmp_path / "memory" / "memory.usage_in_bytes").write_text("900000\n")
    counts = "inactive_file 1\nactive_file 1\ntotal_inactive_file 300000\ntotal_active_file 50000\n"
    (tmp_path / "memory" / "memory.stat").write_text(counts)
    assert memory_total(tmp_path / "meminfo", tmp_path, tmp_path / "own") == 1_000_000
    assert memory_available(tmp_path / "meminfo", tmp_path, tmp_path / "own") == 450_000


def test_where_nothing_is_told_nothing_is_guessed(tmp_path):
    assert memory_total(tmp_path / "none", tmp_path) is None
    assert memory_available(tmp_path / "none", tmp_path) is None


def test_sizes_read_as_people_say_them():
    assert gigabytes(1_900_000_000) == "1.9 GB"
    assert gigabytes(12_000_000) == "12 MB"
