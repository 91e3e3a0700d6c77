"""Fréchet distance: the closed form on Gaussians, and sounds that differ in timbre."""

import pytest
import torch

from audiogen.audio import Audio
from audiogen.errors import InputError
from audiogen.metrics.frechet import frechet_distance, log_mel_statistics


def noise(seed, seconds=3.0, rate=32_000, low_pass=1):
    samples = 0.1 * torch.randn(1, 1, round(seconds * rate), generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.avg_pool1d(samples, low_pass, 1, low_pass // 2)[0]
    return Audio(smooth, rate)


def with_moments(mean, covariance, count=400):
    """[N, D] rows with exactly this mean and covariance."""
    rows = torch.randn(count, len(mean), generator=torch.Generator().manual_seed(1)).double()
    rows = rows - rows.mean(0)
    whitened = rows @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(rows.T))).T
    return whitened @ torch.linalg.cholesky(torch.tensor(covariance).double()).T + torch.tensor(mean).double()


def test_it_is_the_closed_form_of_two_gaussians():
    one, other = [[4.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 9.0]]
    distance = frechet_distance(with_moments([0.0, 0.0], one), with_moments([3.0, 4.0], other))
    assert distance == pytest.approx(25 + (2 - 1) ** 2 + (1 - 3) ** 2, rel=1e-9)


def test_correlated_gaussians_against_the_matrix_root():
    one, other = torch.tensor([[2.0, 0.6], [0.6, 1.0]]).double(), torch.tensor([[1.0, -0.3], [-0.3, 3.0]]).double()
    root = torch.linalg.eigvals(one @ other).real.sqrt().sum()
    expected = float(one.trace() + other.trace() - 2 * root)
    distance = frechet_distance(with_moments([0.0, 0.0], one.tolist()), with_moments([0.0, 0.0], other.tolist()))
    assert distance == pytest.approx(expected, rel=1e-9)


def test_equal_sets_are_0_apart_and_the_order_does_not_count():
    rows = torch.randn(20, 128, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(rows, rows.flip(0)) == pytest.approx(0, abs=1e-6)
    more = torch.randn(50, 128, generator=torch.Generator().manual_seed(1))
    assert frechet_distance(rows, more) == pytest.approx(frechet_distance(more, rows))


def test_embeddings_are_means_and_deviations_of_bands_in_windows_of_a_second():
    embedding = log_mel_statistics(noise(0))
    assert embedding.shape == (5, 128)
    means, deviations = embedding[:, :64], embedding[:, 64:]
    assert ((means > -80) & (means < 0)).all()
    assert ((deviations > 0) & (deviations < 15)).all()
    assert log_mel_statistics(noise(0, seconds=0.3)).shape == (1, 128)
    louder = Audio(2 * noise(0).samples, 32_000)
    torch.testing.assert_close(
        log_mel_statistics(louder)[:, :64] - means, torch.full_like(means, 6.02), atol=0.1, rtol=0
    )
    resampled = log_mel_statistics(noise(0).resample(44_100))
    torch.testing.assert_close(resampled[:, :56], means[:, :56], atol=0.5, rtol=0)


def test_sets_of_other_timbre_are_farther_apart():
    sets = [
        torch.cat([log_mel_statistics(noise(3 * part + i, low_pass=n)) for i in range(3)])
        for part, n in enumerate((1, 1, 5))
    ]
    white, more_white, dull = sets
    assert frechet_distance(white, dull) > 10 * frechet_distance(white, more_white)


@pytest.mark.parametrize("other", [torch.zeros(1, 4), torch.zeros(5, 3), torch.zeros(5)])
def test_sets_that_have_no_distance_are_refused(other):
    with pytest.raises(InputError, match="two sets of embeddings"):
        frechet_distance(torch.zeros(5, 4), other)
