"""The Hub's official client for Python against the test Hub: HF_ENDPOINT and HF_TOKEN say which."""

import hashlib
import os
import pathlib
import random
import sys
import tempfile

import huggingface_hub
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import BucketNotFoundError, HfHubHTTPError

api = HfApi()
folder = pathlib.Path(tempfile.mkdtemp(dir=os.environ["SCRATCH"]))
data = random.Random(1).randbytes(3_000_000)
assert huggingface_hub.__version__ == "2.4.0", huggingface_hub.__version__

# Identity, creating, finding.
assert api.whoami()["name"] == "ada"
url = api.create_bucket("py")
assert url.bucket_id == "ada/py", url
api.create_bucket("ada/py", exist_ok=True)
try:
    api.create_bucket("ada/py")
    sys.exit("a bucket was created twice")
except HfHubHTTPError as e:
    assert e.response.status_code == 409, e
assert [b.id for b in api.list_buckets(search="py")] == ["ada/py"]
assert api.bucket_info("ada/py").total_files == 0

# Uploading by hf_xet, then a batch.
(folder / "big.bin").write_bytes(data)
api.batch_bucket_files(
    "ada/py",
    add=[(folder / "big.bin", "a/big ä#1.bin"), (b"hello", "a/hello.txt"), (b"", "empty")],
)
info = api.bucket_info("ada/py")
assert (info.total_files, info.size) == (3, 3_000_005), info
rows = {row.path: row for row in api.list_bucket_tree("ada/py", recursive=True)}
assert sorted(rows) == ["a", "a/big ä#1.bin", "a/hello.txt", "empty"], sorted(rows)
assert rows["a/big ä#1.bin"].size == 3_000_000
assert [row.path for row in api.list_bucket_tree("ada/py")] == ["a", "empty"]
assert [row.path for row in api.list_bucket_tree("ada/py", prefix="a/")] == ["a/big ä#1.bin", "a/hello.txt"]
told = api.get_bucket_file_metadata("ada/py", "a/big ä#1.bin")
assert (told.size, told.xet_file_data.file_hash) == (3_000_000, rows["a/big ä#1.bin"].xet_hash)

# Downloading by hf_xet.
api.download_bucket_files("ada/py", [("a/big ä#1.bin", folder / "back"), ("empty", folder / "none")])
assert (folder / "back").read_bytes() == data
assert (folder / "none").read_bytes() == b""

# What another client wrote.
api.download_bucket_files("ada/ours", [("theirs.bin", folder / "theirs")])
assert hashlib.sha256((folder / "theirs").read_bytes()).hexdigest() == os.environ["THEIRS"]

# Copying, deleting, moving.
hash = rows["a/big ä#1.bin"].xet_hash
api.batch_bucket_files("ada/py", copy=[("bucket", "ada/py", hash, "copy.bin")], delete=["a/hello.txt"])
assert sorted(f.path for f in api.get_bucket_paths_info("ada/py", ["copy.bin", "a/hello.txt"])) == ["copy.bin"]
api.move_bucket("ada/py", "ada/moved")
api.update_bucket_settings("ada/moved", private=True)
assert api.bucket_info("ada/moved").private
api.delete_bucket("ada/moved")
try:
    api.bucket_info("ada/moved")
    sys.exit("a deleted bucket is there")
except BucketNotFoundError:
    pass

# A repository: a plain file, a file in the CAS, a snapshot, another revision.
plain = hf_hub_download("ada/model", "README.md", cache_dir=folder / "cache")
assert pathlib.Path(plain).read_text() == "plain"
big = hf_hub_download("ada/model", "big.bin", cache_dir=folder / "cache")
assert hashlib.sha256(pathlib.Path(big).read_bytes()).hexdigest() == os.environ["THEIRS"]
whole = snapshot_download("ada/model", revision="refs/pr/1", cache_dir=folder / "cache")
assert sorted(p.name for p in pathlib.Path(whole).iterdir()) == ["README.md", "big.bin", "new.txt"]
sizes = {row.path: row.size for row in api.list_repo_tree("ada/model", revision="refs/pr/1")}
assert sorted(sizes) == ["README.md", "big.bin", "new.txt"], sizes
print("official client: done")
