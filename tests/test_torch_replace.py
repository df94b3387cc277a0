"""Promise: replace_rnns changes who computes a model's recurrent layers, and nothing else of it."""

import copy
import io
import pickle

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: `make test-peers` does it")
pt = pytest.importorskip("pyrnn.torch")
models = pytest.importorskip("torch_models")
nn, batch, tagger, RECURRENT = torch.nn, models.batch, models.tagger, models.RECURRENT

CLOSE = {"rtol": 1e-10, "atol": 1e-12}
LAYERS = ["RNN", "LSTM", "GRU"]
CELLS = ["RNNCell", "LSTMCell", "GRUCell"]


def train(model, optimizer, steps):
    """The losses of some training steps."""
    losses = []
    for step in steps:
        x, target = batch(step)
        optimizer.zero_grad()
        loss = (model(x) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def assert_close(found, expected):
    torch.testing.assert_close(found, expected, **CLOSE)


def classes(model):
    return {name: type(module) for name, module in model.named_modules() if name in RECURRENT}


@pytest.mark.parametrize("name", LAYERS + CELLS)
def test_a_model_that_is_a_layer_itself(name):
    module = getattr(nn, name)(3, 5)
    assert pt.replace_rnns(module).replaced == [("", f"torch.nn.{name} -> pyrnn.torch.{name}")]
    assert type(module) is getattr(pt, name)
    assert str(pt.replace_rnns(module)) == "the model: left: it is pyrnn's already"
    module(torch.zeros(2, 3))
    assert pt.restore_rnns(module).replaced == [("", f"pyrnn.torch.{name} -> torch.nn.{name}")]
    assert type(module) is getattr(nn, name)
    assert vars(module).keys() == vars(getattr(nn, name)(3, 5)).keys()


def test_names_and_identity_are_kept():
    model = tagger().eval()
    model.inner.train()
    model.encoder.weight_hh_l0.requires_grad_(False)
    model.cell.note = "kept"
    before = dict(model.named_modules()), dict(model.named_parameters())
    modes = {name: module.training for name, module in model.named_modules()}
    state = model.state_dict()
    for change in (pt.replace_rnns, pt.restore_rnns):
        report = change(model)
        assert [name for name, _ in report.replaced] == RECURRENT and not report.left
        assert before == (dict(model.named_modules()), dict(model.named_parameters()))
        assert modes == {name: module.training for name, module in model.named_modules()}
        assert [n for n, p in model.named_parameters() if not p.requires_grad] == [
            "encoder.weight_hh_l0"
        ]
        assert model.cell.note == "kept"
        assert_close(model.state_dict(), state)
        assert list(model.state_dict()) == list(state)


def test_hooks_go_on_working():
    model, seen = tagger(), []

    def hook(kind):
        def run(*arguments, **keywords):
            seen.append(kind)

        return run

    parameter = model.encoder.weight_ih_l0
    for module in (model.encoder, model.cell):
        module.register_forward_pre_hook(hook("forward_pre"))
        module.register_forward_hook(hook("forward"), with_kwargs=True)
        module.register_full_backward_pre_hook(hook("backward_pre"))
        module.register_full_backward_hook(hook("backward"))
        module.register_state_dict_post_hook(hook("state_dict"))
        module.register_load_state_dict_pre_hook(hook("load_pre"))
        module.register_load_state_dict_post_hook(hook("load"))
    parameter.register_hook(hook("gradient"))
    parameter.register_post_accumulate_grad_hook(hook("accumulated"))

    def run():
        seen.clear()
        x, target = batch(0)
        x.requires_grad_()
        (model(x) - target).square().mean().backward()
        model.load_state_dict(model.state_dict())
        return list(seen)

    expected = run()
    assert set(expected) == {
        *("forward_pre", "forward", "backward_pre", "backward", "gradient", "accumulated"),
        *("state_dict", "load_pre", "load"),
    }
    pt.replace_rnns(model)
    assert run() == expected
    pt.restore_rnns(model)
    assert run() == expected


@pytest.mark.parametrize("foreach", [False, True])
def test_training_goes_on_where_it_was(foreach):
    """Ten steps of Adam, with pyrnn in the middle, are torch's ten steps."""
    model, twin = tagger(), tagger()
    optimizers = [torch.optim.Adam(m.parameters(), lr=0.02, foreach=foreach) for m in (model, twin)]
    losses = train(model, optimizers[0], range(3))
    pt.replace_rnns(model)
    losses += train(model, optimizers[0], range(3, 7))
    pt.restore_rnns(model)
    losses += train(model, optimizers[0], range(7, 10))
    assert_close(losses, train(twin, optimizers[1], range(10)))
    assert_close(model.state_dict(), twin.state_dict())
    states = [optimizer.state_dict()["state"] for optimizer in optimizers]
    assert_close(*states)


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_what_is_left_and_why():
    class Own(nn.LSTM):
        def forward(self, x):
            return super().forward(x)[0]

    class Same(nn.GRU):
        pass

    class OwnOfPyrnn(pt.GRU):
        pass

    patched = nn.GRU(3, 5)
    patched.forward = lambda x: x
    model = nn.ModuleDict(
        {
            "own": Own(3, 5),
            "same": Same(3, 5),
            "scripted": torch.jit.script(nn.GRU(3, 5)),
            "float16": nn.GRU(3, 5, dtype=torch.float16),
            "patched": patched,
            "ours": pt.GRU(3, 5),
            "meta": nn.LSTM(3, 5, device="meta"),
        }
    )
    report = pt.replace_rnns(model)
    assert report.replaced == [("meta", "torch.nn.LSTM -> pyrnn.torch.LSTM")]
    reasons = dict(report.left)
    assert list(reasons) == ["own", "same", "scripted", "float16", "patched", "ours"]
    for name, text in {
        "own": "Own is a class of its own",
        "same": "Same is a class of its own",
        "scripted": "scripted: torch.jit.script takes only torch's layers",
        "float16": "float16: pyrnn computes in float32 and float64",
        "patched": "forward was replaced",
        "ours": "pyrnn's already",
    }.items():
        assert text in reasons[name]
    assert type(model["own"]) is Own and type(model["float16"]) is nn.GRU
    model["special"], model["options"] = OwnOfPyrnn(3, 5), pt.GRU(3, 5, zoneout=0.1)
    report = pt.restore_rnns(model)
    assert [name for name, _ in report.replaced] == ["ours", "meta"]
    assert dict(report.left) == {
        "special": "OwnOfPyrnn is a class of its own",
        "options": "torch.nn.GRU has no zoneout",
    }
    assert type(model["options"]) is pt.GRU
    for change in (pt.replace_rnns, pt.restore_rnns):
        with pytest.raises(TypeError, match=r"model is list, expected a torch.nn.Module"):
            change([nn.GRU(3, 5)])


def test_weights_on_another_device_are_left():
    """No machine with a GPU is needed: the device is what a tensor says of itself."""

    class Elsewhere(nn.Parameter):
        is_cpu = property(lambda self: False)
        device = property(lambda self: torch.device("cuda:0"))

    module = nn.GRU(3, 5)
    module.weight_hh_l0 = Elsewhere(module.weight_hh_l0.detach())
    assert pt.replace_rnns(module).left == [
        ("", "its weights are on cuda:0: pyrnn computes on the CPU")
    ]


def test_a_shared_module_is_replaced_once():
    layer = nn.GRU(5, 5, dtype=torch.float64)
    model = nn.Sequential(nn.ModuleList([layer, layer]), layer)
    x = torch.randn(4, 2, 5, dtype=torch.float64)
    expected = layer(layer(x)[0])[0]
    assert pt.replace_rnns(model).replaced == [("0.0", "torch.nn.GRU -> pyrnn.torch.GRU")]
    assert model[0][0] is model[0][1] is model[1] is layer
    assert_close(layer(layer(x)[0])[0], expected)


def test_a_model_without_recurrent_layers():
    report = pt.replace_rnns(nn.Linear(2, 3))
    assert (report.replaced, report.left, str(report)) == ([], [], "no recurrent layers")


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))


def through_torch(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def through_state_dict(model):
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    loaded = models.Tagger()
    pt.replace_rnns(loaded)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    return loaded.train(model.training)


WAYS = [through_pickle, copy.deepcopy, copy.copy, through_torch, through_state_dict]


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_computes_the_same(way):
    model, (x, _) = tagger(), batch(0)
    pt.replace_rnns(model)
    model.eval()
    expected = model(x)
    copied = way(model)
    assert classes(copied) == classes(model)
    assert classes(copied)["encoder"] is pt.LSTM
    assert torch.equal(copied(x), expected)
    pt.restore_rnns(copied)
    assert_close(copied(x), expected)
    if way is not copy.copy:
        assert torch.equal(model(x), expected) and classes(model)["encoder"] is pt.LSTM


@pytest.mark.parametrize("way", [through_pickle, copy.deepcopy, through_torch])
def test_a_copy_of_a_layer_with_options(way):
    layer = pt.LSTM(3, 5, layer_norm=True, zoneout=0.2, dtype=torch.float64).eval()
    copied = way(layer)
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    assert torch.equal(copied(x)[0], layer(x)[0])
    assert copied.options == layer.options and repr(copied) == repr(layer)


def test_state_dicts_go_both_ways():
    ours, theirs = tagger(), models.Tagger()
    pt.replace_rnns(ours)
    assert str(theirs.load_state_dict(ours.state_dict())) == "<All keys matched successfully>"
    assert str(ours.load_state_dict(theirs.state_dict())) == "<All keys matched successfully>"
    for module, expected in ((ours, "GRU(10, 4, batch_first=True)"), (theirs, repr(theirs))):
        assert expected in repr(module)


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize(("start", "workers"), [("fork", 2), ("spawn", 1)])
def test_workers_of_a_loader(start, workers):
    """Both the dataset and collate_fn compute with the model in the worker."""
    model, twin = tagger(), tagger()
    pt.replace_rnns(model)
    model(batch(0)[0])  # pyrnn's threads exist before the fork
    loader = torch.utils.data.DataLoader(
        models.Encoded(model),
        batch_size=2,
        collate_fn=models.Collate(model),
        num_workers=workers,
        multiprocessing_context=start,
        timeout=60,
    )
    dataset, collate = models.Encoded(twin), models.Collate(twin)
    expected = [collate([dataset[i], dataset[i + 1]]) for i in (0, 2)]
    assert_close(list(loader), expected)


def test_distributed_data_parallel(tmp_path):
    """Two processes with gloo: gradients and weights after three steps are those of torch."""
    torch.multiprocessing.spawn(models.data_parallel, (tmp_path / "store", tmp_path), nprocs=2)
    both = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for theirs, ours in both:
        assert_close(ours, theirs)
    assert_close(both[0], both[1])


@pytest.mark.filterwarnings("ignore")  # Lightning's own
def test_lightning(tmp_path):
    lightning = pytest.importorskip("lightning", reason="lightning is not installed")

    class Lit(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model, self.losses = tagger(), []

        def training_step(self, samples, i):
            x, target = samples
            loss = (self.model(x) - target).square().mean()
            self.losses.append(loss.item())
            return loss

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=0.02)

    def fitted(replaced):
        lit = Lit()
        if replaced:
            pt.replace_rnns(lit)
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=2,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        dataset = torch.utils.data.TensorDataset(*batch(0, n=12))
        trainer.fit(lit, torch.utils.data.DataLoader(dataset, batch_size=4))
        trainer.save_checkpoint(tmp_path / "lit.ckpt")
        saved = torch.load(tmp_path / "lit.ckpt", weights_only=True)["state_dict"]
        assert_close(saved, lit.state_dict())
        return lit.losses, lit.state_dict()

    assert_close(fitted(True), fitted(False))
