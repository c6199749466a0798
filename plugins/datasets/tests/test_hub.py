from __future__ import annotations
import io
import numpy as np, pytest
from tests.hub.conftest import client, environment, hub  # noqa: F401
from gentk_datasets.hub import hf
import datasets

def test_it(hub, client, tmp_path):
    client.setattr("datasets.config.HF_ENDPOINT", hub.url)
    client.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path/"hf/datasets")
    client.setenv("GENTK_DATA", str(tmp_path/"data"))
    f = datasets.Features({"x": datasets.Value("float64"), "n": datasets.Value("int32"), "kind": datasets.ClassLabel(names=["a","b"])})
    d = datasets.Dataset.from_dict({"x":[.5*i for i in range(20)],"n":list(range(20)),"kind":[i%2 for i in range(20)]}, features=f)
    b = io.BytesIO(); d.to_parquet(b)
    hub.repo("datasets/user/tab", {"data/train-00000.parquet": b.getvalue(), "README.md": b"---\ntags: [x]\n---\n"})
    t = hf("train", repo="user/tab")
    print(hub.requests()); print(t.spec, t.resolved, len(t), t[0])
    print(hf("test", repo="user/tab", revision=t.resolved["revision"])[0], hub.requests(), hub.unknown)
    t = hf("train", repo="user/tab", streaming=True, examples=6)
    print(hub.requests()); print(t.x)
