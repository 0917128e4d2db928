"""Table 3's lesson at a small scale: AP-BSN's scheme needs a blind network, AMSNet's does not."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from unnoise.evaluation.ablations import small_networks as small
from unnoise.evaluation.ablations import studies
from unnoise.evaluation.ablations.runner import AblationSettings, run


@pytest.mark.slow
def test_only_ap_bsn_with_a_network_that_is_not_blind_learns_the_identity(
    tiny: None, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        small, "SMALL_TRAINING", small.SMALL_TRAINING | {"crop": 32, "batch": 4, "learning_rate": 5e-3, "ema": 0.9}
    )
    monkeypatch.setattr(
        studies, "variant_recipe", partial(small.variant_recipe, train_stride=2)
    )  # white noise asks for no more
    settings = AblationSettings(
        ablation="identity", pictures=[str(pictures / "noisy")], data=f"pairs:{pictures}", limit=3, steps=250, refine=True
    )
    rows = {row.variant: row for row in run(settings, tmp_path / "out", device="cpu")}
    gain = {name: row.psnr - row.noisy_psnr for name, row in rows.items()}
    assert set(gain) == {"amsnet+dbsn", "amsnet+dbsn-dense", "ap-bsn+dbsn", "ap-bsn+dbsn-dense"}
    collapsed = gain.pop("ap-bsn+dbsn-dense")
    assert abs(collapsed) < 1.2
    assert min(gain.values()) > collapsed + 1.5
