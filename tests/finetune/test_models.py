import pytest
import torch

from finetune.models.au_detector import AuDetector, LinearBlock
from finetune.models.au_graph import NEIGHBOURS, AuGraph
from finetune.models.intensity_regressor import IntensityRegressor
from finetune.models.linear_detector import LinearDetector
from pretrain.models.encoder import FrameEncoder, FrameFeatures


@pytest.fixture
def encoder(tiny_encoder):
    torch.manual_seed(0)
    return FrameEncoder(tiny_encoder)


def test_vectors_are_unit_per_au_and_do_not_depend_on_the_batch(encoder):
    model = AuDetector(encoder, 3, 8)
    frames_NCHW = torch.rand(5, 3, 32, 32)
    vectors_NAV = model.vectors(frames_NCHW)
    assert vectors_NAV.shape == (5, 3, 8)
    torch.testing.assert_close(vectors_NAV.norm(dim=2), torch.ones(5, 3))
    torch.testing.assert_close(model.vectors(frames_NCHW[:1]), vectors_NAV[:1], atol=1e-5, rtol=1e-4)


def test_linear_block_equals_a_linear_norm_relu_for_each_au():
    torch.manual_seed(0)
    block = LinearBlock(4, 6, 2)
    tokens_NSD = torch.randn(3, 5, 4)
    for au in range(2):
        mixed = torch.nn.functional.layer_norm(tokens_NSD @ block.weight_ADV[au], (6,))
        torch.testing.assert_close(block(tokens_NSD)[:, :, au], mixed.relu(), atol=1e-5, rtol=1e-4)


def test_values_lie_in_their_units(encoder):
    frames_BTCHW = torch.rand(2, 3, 3, 32, 32)
    probability_BTA, state = AuDetector(encoder, 2, 8).infer(frames_BTCHW, None, None)
    assert probability_BTA.shape == (2, 3, 2)
    assert ((probability_BTA >= 0) & (probability_BTA <= 1)).all()
    assert state is None
    regressor = IntensityRegressor(encoder, 2, 8, 8)
    with torch.no_grad():
        regressor.head[-1].bias.copy_(torch.tensor([9.0, -9.0]))
    value_BTA, state_BH = regressor.infer(frames_BTCHW, None, None)
    assert (value_BTA[..., 0] == 5).all()
    assert (value_BTA[..., 1] == 0).all()
    assert state_BH.shape == (2, 8)


class Tokens(torch.nn.Module):
    """An encoder whose two images hold the same tokens in other places."""

    token_dim, num_places = 6, 4

    def forward(self, frames_NCHW):
        tokens_NSD = torch.rand(1, self.num_places, self.token_dim, generator=torch.manual_seed(1))
        return FrameFeatures(frames_NCHW, torch.cat([tokens_NSD, tokens_NSD.flip(1)]))


def test_a_detector_learns_where_a_unit_shows():
    """A mean over the places could not tell the two images apart, however long it learned."""
    torch.manual_seed(0)
    model = AuDetector(Tokens(), 1, 8)
    frames_NCHW = torch.empty(2, 3, 1, 1)
    optimizer = torch.optim.Adam(model.parameters(), 0.03)
    cosines = []
    for _ in range(50):
        first_AV, second_AV = model.vectors(frames_NCHW)
        cosine = (first_AV * second_AV).sum()
        cosines.append(cosine.item())
        optimizer.zero_grad()
        cosine.backward()
        optimizer.step()
    assert cosines[0] == pytest.approx(1)
    assert cosines[-1] < 0.5


@pytest.mark.parametrize("aus", [3, 7])
def test_the_graph_equals_its_equation(aus):
    """One AU at a time, with the adjacency and both degrees written out, in float64."""
    torch.manual_seed(0)
    graph = AuGraph(5).double()
    torch.nn.init.normal_(graph.norm.weight)
    nodes_NAV = torch.randn(2, aus, 5, dtype=torch.float64).relu()
    found_NAV = graph(nodes_NAV)
    for n, x_AV in enumerate(nodes_NAV):
        adjacency_AA = torch.zeros(aus, aus, dtype=torch.float64)
        for k in range(aus):
            alike = sorted(range(aus), key=lambda other: -float(x_AV[k] @ x_AV[other]))
            adjacency_AA[k, alike[: min(NEIGHBOURS, aus)]] = 1
        scale_AA = torch.diag(adjacency_AA.sum(dim=1) ** -0.5)
        mixed_AV = scale_AA @ adjacency_AA @ scale_AA @ graph.of_neighbours(x_AV) + graph.of_itself(x_AV)
        torch.testing.assert_close(found_NAV[n], (x_AV + graph.norm(mixed_AV)).relu())


def test_the_graph_judges_each_face_alone(encoder):
    """The release's norm over the batch would let one face change what is said of another."""
    model = AuDetector(encoder, 6, 8, graph=True).eval()
    frames_NCHW = torch.rand(5, 3, 32, 32)
    vectors_NAV = model.vectors(frames_NCHW)
    torch.testing.assert_close(model.vectors(frames_NCHW[:1]), vectors_NAV[:1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(vectors_NAV.norm(dim=2), torch.ones(5, 6))
    assert AuDetector(encoder, 6, 8).state_dict().keys() < model.state_dict().keys()


@pytest.mark.parametrize("exclusive", [False, True])
def test_a_linear_detector_gives_probabilities(encoder, exclusive):
    model = LinearDetector(encoder, 4, exclusive)
    frames_BTCHW = torch.rand(2, 3, 3, 32, 32)
    probability_BTA, state = model.infer(frames_BTCHW, None, None)
    assert probability_BTA.shape == (2, 3, 4)
    assert state is None
    logit_A = model.head(encoder(frames_BTCHW[1, 2:]).pooled_ND)[0]
    wanted_A = logit_A.softmax(dim=0) if exclusive else logit_A.sigmoid()
    torch.testing.assert_close(probability_BTA[1, 2], wanted_A, atol=1e-5, rtol=1e-4)
