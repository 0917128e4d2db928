"""Table 3: whether a scheme needs a blind network. AP-BSN's does, and learns the identity from one that is not; AMSNet's does not."""

from __future__ import annotations

from unnoise.evaluation.ablations.base import Ablation, Variant
from unnoise.evaluation.ablations.small import version


def _variants(full: bool) -> list[Variant]:
    return [
        Variant("amsnet+dbsn", version("amsnet-b", full, "dbsn"), (37.25, 0.8871)),
        Variant("amsnet+dbsn-dense", version("amsnet-b", full, "dbsn-dense"), (37.11, 0.8863)),
        Variant("ap-bsn+dbsn", version("ap-bsn", full, "dbsn"), (36.74, 0.8501)),
        Variant("ap-bsn+dbsn-dense", version("ap-bsn", full, "dbsn-dense"), (20.91, 0.2447)),
    ]


IDENTITY = Ablation("Which scheme needs a blind network", "Table 3", True, _variants)
