"""The key that signs CSRF tokens: two of them, or none, would refuse what people send in the first minute."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from app.config import Settings


def test_threads_that_start_together_get_one_key(tmp_path: Path) -> None:
    for number in range(20):
        given, together = Settings(data_dir=tmp_path / str(number)), Barrier(16)

        def key(given: Settings = given, together: Barrier = together) -> bytes:
            together.wait()
            return given.secret_key()

        with ThreadPoolExecutor(16) as pool:
            keys = {asked.result() for asked in [pool.submit(key) for _ in range(16)]}
        assert len(keys) == 1
        assert len(keys.pop()) == 32
        assert [path.name for path in given.data_dir.iterdir()] == ["secret.key"]
