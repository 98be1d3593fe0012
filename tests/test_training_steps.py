"""Training steps are translated whole or refused whole: the forms that are known, and those that are not."""

from __future__ import annotations

import ast
import re
import textwrap
from typing import Any

import pytest

from translator import translate

HEAD = """
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.fc(self.drop(x))

    def features(self, x):
        return self.drop(x)

model = Net()
opt = optim.SGD(model.parameters(), lr=0.1)
"""


def result(code: str, **options: Any) -> Any:
    return translate(HEAD + textwrap.dedent(code), **options)


def lines(code: str, **options: Any) -> str:
    """What follows the model and optimizer in the translation."""
    found = result(code, **options)
    assert not found.refused, found.diagnostics
    text = found.text[found.text.index("model = Net()") :]
    return text.split("\n", 2)[2].strip()


def errors(code: str) -> list[str]:
    return [d.message for d in result(code).diagnostics if d.severity == "error"]


CANONICAL = """
for i in range(3):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(keras.random.normal((2, 4)), training=True))
    gradients = tape.gradient(loss, model.trainable_variables)
    opt.apply_gradients(zip(gradients, model.trainable_variables))
""".strip()

FORWARD = "loss = model(torch.randn(2, 4)).sum()"
ORDERS = [
    ["opt.zero_grad()", FORWARD, "loss.backward()", "opt.step()"],
    [FORWARD, "opt.zero_grad()", "loss.backward()", "opt.step()"],
    [FORWARD, "loss.backward()", "opt.step()", "opt.zero_grad()"],
    ["model.zero_grad()", FORWARD, "loss.backward()", "opt.step()"],
    ["opt.zero_grad(set_to_none=True)", "model.train()", FORWARD, "loss.backward()", "opt.step()"],
    ["opt.zero_grad()", "model(torch.randn(2, 4)).sum().backward()", "opt.step()"],
]


@pytest.mark.parametrize("order", ORDERS)
def test_every_usual_order_becomes_one_step(order: list[str]) -> None:
    assert lines("for i in range(3):\n    " + "\n    ".join(order)) == CANONICAL


def test_clipping_stands_between() -> None:
    code = """
    for i in range(3):
        opt.zero_grad()
        loss = model(torch.randn(2, 4)).sum()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        nn.utils.clip_grad_value_(model.parameters(), 0.1)
        opt.step()
    """
    found = lines(code)
    assert "gradients, norm = tf.clip_by_global_norm(gradients, 0.5)" in found
    assert "gradients = clip_gradients_by_value(gradients, 0.1)" in found
    assert "gradients, norm = clip_gradients_by_norm(gradients, 0.5)" in lines(code, fidelity="exact")


def test_without_zero_grad_gradients_wait() -> None:
    found = lines("for i in range(3):\n    loss = model(torch.randn(2, 4)).sum()\n    loss.backward()\n    opt.step()")
    assert "accumulate_gradients(opt, tape.gradient(loss, model.trainable_variables))" in found
    assert "apply_accumulated(opt, model.trainable_variables)" in found


def test_a_refusal_inside_leaves_the_whole_step() -> None:
    code = """
    for i in range(3):
        opt.zero_grad()
        out = model(torch.randn(2, 4))
        loss = torch.fft.hfft2(out).mean()
        loss.backward()
        opt.step()
        print("step", i)
    """
    found = result(code)
    # What else of PyTorch stands in the lines that are kept is said, too.
    assert [d.code for d in found.diagnostics if d.severity == "error" and d.code != "XL212"] == ["XL220"]
    kept = [
        "opt.zero_grad()",
        "out = model(torch.randn(2, 4))",
        "loss = torch.fft.hfft2(out).mean()",
        "loss.backward()",
        "opt.step()",
    ]
    assert "\n    ".join(kept) in re.sub(r"\n *# xlate: XL212 .*", "", found.text)
    assert "GradientTape" not in found.text
    ast.parse(found.text)


REFUSED = {
    "an optimizer from outside": (
        "def train(net: Net, optimizer):\n    optimizer.zero_grad()\n    loss = net(torch.zeros(2, 4)).sum()\n"
        "    loss.backward()\n    optimizer.step()",
        "no optimizer is known",
    ),
    "a loss from outside": (
        "def train(output: torch.Tensor):\n    loss = F.mse_loss(output, torch.zeros(2, 2))\n    opt.zero_grad()\n"
        "    loss.backward()\n    opt.step()",
        "where the loss is computed",
    ),
    "gradients that are read": (
        "opt.zero_grad()\nloss = model(torch.zeros(2, 4)).sum()\nloss.backward()\n"
        "print(model.fc.weight.grad)\nopt.step()",
        "the training step is left",
    ),
    "a second derivative": (
        "opt.zero_grad()\nloss = model(torch.zeros(2, 4)).sum()\nloss.backward(create_graph=True)\nopt.step()",
        "create_graph",
    ),
    "a part of the gradients clipped": (
        "opt.zero_grad()\nloss = model(torch.zeros(2, 4)).sum()\nloss.backward()\n"
        "nn.utils.clip_grad_norm_([torch.zeros(1)], 1.0)\nopt.step()",
        "the training step is left",
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused_whole(name: str) -> None:
    code, reason = REFUSED[name]
    assert any(reason in e for e in errors(code))
    assert "GradientTape" not in result(code).text


def test_modes_follow_the_calls() -> None:
    code = """
    x = torch.zeros(2, 4)
    a = model(x)
    model.eval()
    b = model(x)

    def evaluate(net):
        return net(x)

    c = evaluate(model)
    model.train()
    d = model(x)
    """
    found = lines(code)
    modes = [line.split("training=")[1].rstrip(")") for line in found.splitlines() if "training=" in line]
    assert modes == ["True", "False", "False", "True"]
    assert ".eval()" not in found
    assert ".train()" not in found


def test_a_mode_that_depends_on_the_run_is_remembered() -> None:
    found = lines(
        "def run(train: bool):\n    model.train(train)\n    return model(torch.zeros(2, 4))\n\nrun(True)\nrun(False)"
    )
    assert "model.training = train" in found
    assert 'training=getattr(model, "training", True)' in found


def test_layers_run_by_a_method_get_the_mode_too() -> None:
    assert (
        lines("y = model.features(torch.zeros(2, 4))") == "y = model.features(keras.ops.zeros((2, 4)), training=True)"
    )


def test_learning_rates_are_read_and_set() -> None:
    found = lines("""
    print(opt.param_groups[0]["lr"])
    opt.param_groups[0]["lr"] = 0.3
    for group in opt.param_groups:
        group["lr"] *= 0.5
    """)
    assert "print(float(opt.learning_rate))" in found
    assert "opt.learning_rate = 0.3" in found
    assert "for group in param_groups(opt):\n    group.learning_rate = float(group.learning_rate) * 0.5" in found
    assert any("param_groups" in e for e in errors('print(opt.param_groups[0]["momentum"])'))


OPTIMIZERS = [
    ("SGD(model.parameters(), lr=0.1, momentum=0.9)", "keras.optimizers.SGD(learning_rate=0.1, momentum=0.9)"),
    ("SGD(model.parameters(), lr=0.1, weight_decay=0.01)", "SGD(learning_rate=0.1, weight_decay=0.01)"),
    ("SGD(model.parameters())", "keras.optimizers.SGD(learning_rate=0.001)"),
    ("Adam(model.parameters(), 1e-3)", "keras.optimizers.Adam(learning_rate=1e-3, epsilon=1e-08)"),
    ("Adam(model.parameters(), weight_decay=0.1)", "Adam(weight_decay=0.1)"),
    ("AdamW(model.parameters(), lr=1)", "keras.optimizers.AdamW(learning_rate=1.0, epsilon=1e-08, weight_decay=0.01)"),
    ("RMSprop(model.parameters(), lr=0.1)", "RMSprop(learning_rate=0.1)"),
]


@pytest.mark.parametrize(("source", "target"), OPTIMIZERS)
def test_optimizers(source: str, target: str) -> None:
    assert lines(f"other = optim.{source}") == f"other = {target}"
    assert "keras.optimizers" not in lines(f"other = optim.{source}", fidelity="exact")


def test_autograd_grad_gets_a_tape_of_its_own_inside_of_the_step() -> None:
    code = """
    for i in range(3):
        x = torch.randn(2, 4)
        x.requires_grad_(True)
        opt.zero_grad()
        y = model(x)
        slope = torch.autograd.grad(y.sum(), x, create_graph=True)[0]
        loss = (slope.norm(2) - 1) ** 2
        loss.backward()
        opt.step()
    """
    expected = """
    with tf.GradientTape() as tape:
        with tf.GradientTape() as x_tape:
            x_tape.watch(x)
            y = model(x, training=True)
            outputs = tf.reduce_sum(y)
        slope = x_tape.gradient(outputs, [x], unconnected_gradients="zero")[0]
"""
    assert expected in "\n" + lines(code)


def test_gradients_without_a_graph_are_constants() -> None:
    code = """
    def saliency(x):
        y = model(x).sum()
        (grad,) = torch.autograd.grad(y, x)
        return grad.abs()
    """
    found = result(code)
    assert not found.refused, found.diagnostics
    assert "(grad,) = [tf.stop_gradient(g) for g in tape.gradient(y, [x], unconnected" in found.text


@pytest.mark.parametrize("code", [
    "def penalty(y, x):\n    return torch.autograd.grad(y, x, create_graph=True)[0]",
    "def f(x):\n    y = model(x)\n    return torch.autograd.grad(y, x, is_grads_batched=True)[0]",
])  # fmt: skip
def test_autograd_grad_is_refused_where_its_tape_has_no_place(code: str) -> None:
    assert any("autograd" in e for e in errors(code))


def test_a_tensor_that_is_optimized_becomes_a_variable() -> None:
    code = """
    def fit(x, target):
        image = x.clone().requires_grad_()
        shift = torch.zeros(4, requires_grad=True)
        moved = optim.Adam([image, shift], lr=0.1)
        for i in range(3):
            moved.zero_grad()
            loss = F.mse_loss(image + shift, target)
            loss.backward()
            moved.step()
            with torch.no_grad():
                image.clamp_(0, 1)
        return image
    """
    found = result(code)
    assert not found.refused, found.diagnostics
    assert "image = tf.Variable(tf.identity(x))" in found.text
    assert "variables = [image] + [shift]" in found.text
    assert "image.assign(tf.clip_by_value(image, 0, 1))" in found.text


def test_a_scaler_scales_under_the_tape() -> None:
    code = """
    scaler = torch.cuda.amp.GradScaler()
    for i in range(3):
        opt.zero_grad()
        with torch.cuda.amp.autocast():
            loss = model(torch.randn(2, 4)).sum()
        scaler.scale(loss).backward()
        scaler.unscale_(opt)
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        scaler.step(opt)
        scaler.update()
    """
    expected = """
        scaled_loss = scaler.scale(loss)
    gradients = tape.gradient(scaled_loss, model.trainable_variables)
    gradients = scaler.unscale(opt, gradients)
    gradients, _ = tf.clip_by_global_norm(gradients, 0.5)
    scaler.step(opt, gradients, model.trainable_variables)
    scaler.update()
"""
    assert expected in "\n" + lines(code) + "\n"
    assert [d.code for d in result(code).diagnostics if "autocast" in d.message] == ["XL405"]


def test_a_detached_value_stays_one() -> None:
    assert "loss = tf.stop_gradient(model(" in lines("loss = model(torch.randn(2, 4)).data")


def test_arguments_about_worker_processes_are_dropped_with_a_word() -> None:
    code = """
    from torch.utils.data import DataLoader
    data = DataLoader(range(9), 3, num_workers=2, worker_init_fn=print, pin_memory=True, timeout=0, in_order=True)
    """
    found = result(code)
    assert "data = DataLoader(range(9), batch_size=3, num_workers=2)" in found.text
    assert [d.message.split("`")[1] for d in found.diagnostics if d.code == "XL406"] == ["worker_init_fn"]


CHOSEN = """
def make(net):
    {lists}
    return optim.AdamW([{{"params": some, "weight_decay": 0.1}}, {{"params": rest, "weight_decay": 0.0}}], lr=0.1)

moved = make(model)
for i in range(3):
    moved.zero_grad()
    loss = model(torch.randn(2, 4)).sum()
    loss.backward()
    {clip}
    moved.step()
"""


@pytest.mark.parametrize(("lists", "first", "second"), [
    ("some, rest = 0, 1\n    some = [p for p in net.parameters() if p.dim() > 1]\n"
     "    rest = [p for p in net.parameters() if p.dim() <= 1]",
     "[v for v in model.trainable_variables if len(v.shape) > 1]",
     "[v for v in model.trainable_variables if len(v.shape) <= 1]"),
    ("no = ['bias', 'norm.weight']\n"
     "    named = {n: p for n, p in net.named_parameters() if p.requires_grad}\n"
     "    some = [p for n, p in named.items() if not any(nd in n for nd in no)]\n"
     "    rest = [p for n, p in named.items() if any(nd in n for nd in no)]",
     "[v for name, v in named_variables(model) if not any(nd in name for nd in ['bias', 'norm.weight'])]",
     "[v for name, v in named_variables(model) if any(nd in name for nd in ['bias', 'norm.weight'])]"),
])  # fmt: skip
def test_parameters_chosen_by_rank_or_name(lists: str, first: str, second: str) -> None:
    if lists.startswith("some, rest"):
        lists = lists.split("\n", 1)[1].strip()
    found = result(CHOSEN.format(lists=lists, clip="nn.utils.clip_grad_norm_(model.parameters(), 1.0)"))
    assert not found.refused, found.diagnostics
    assert f"variables = [{first}, {second}]" in found.text.replace('"', "'")
    assert "named_parameters" not in found.text and "some" not in found.text


def test_parameters_chosen_by_another_test_are_refused() -> None:
    lists = "some = [p for p in net.parameters() if p.is_leaf]\n    rest = list(net.parameters())"
    found = errors(CHOSEN.format(lists=lists, clip="pass"))
    assert any("chosen by a test" in e for e in found)


def test_clipping_a_part_of_the_parameters_is_refused() -> None:
    lists = ("some = [p for p in net.parameters() if p.dim() > 1]\n    "
             "rest = [p for p in net.parameters() if p.dim() < 1]")  # fmt: skip
    found = errors(CHOSEN.format(lists=lists, clip="nn.utils.clip_grad_norm_(model.parameters(), 1.0)"))
    assert any("only some of a model's parameters" in e for e in found)


EPISODES = """
class Agent:
    def __init__(self, net):
        self.net = net
        self.optimizer = optim.Adam(net.parameters(), lr=0.1)
        self.kept = []

    def act(self, x):
        out = self.net(x)
        self.kept.append(out.sum())
        return out.detach()

    def learn(self):
        {learn}
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        del self.kept[:]

def run(agent):
    for episode in range(3):
        {before}for t in range(5):
            agent.act(torch.randn(2, 4))
        agent.learn()
        {after}

run(Agent(model))
"""


@pytest.mark.parametrize("learn", [
    "loss = torch.stack(self.kept).sum()",
    "loss = torch.stack(self.kept).sum() + self.net(torch.ones(2, 4)).sum()",
])  # fmt: skip
def test_the_caller_opens_the_tape_for_a_loss_that_was_collected(learn: str) -> None:
    found = result(EPISODES.format(learn=learn, before="", after="pass"))
    assert not found.refused, found.diagnostics
    expected = """
        with tf.GradientTape() as tape:
            for t in range(5):
                agent.act(keras.random.normal((2, 4)))
            agent.learn(tape=tape)
"""
    assert expected in found.text
    assert "def learn(self, tape):" in found.text
    assert "gradients = tape.gradient(loss, self.net.trainable_variables)" in found.text
    assert found.text.count("GradientTape") == 1


@pytest.mark.parametrize("change", [
    {"after": "agent.act(torch.randn(2, 4))"}, {"before": "agent.learn()\n        "},
])  # fmt: skip
def test_such_a_step_is_refused_where_layers_run_outside_of_the_tape(change: dict[str, str]) -> None:
    parts = {"learn": "loss = torch.stack(self.kept).sum()", "before": "", "after": "pass", **change}
    found = result(EPISODES.format(**parts))
    assert found.refused and "GradientTape" not in found.text and "tape" not in found.text.split("class Agent")[1]


def test_modes_of_a_function_that_gets_several_models() -> None:
    code = """
    other = Net()
    def score(net):
        return net(torch.ones(2, 4)).sum()
    def check(net):
        net.eval()
        return score(net)
    model.eval()
    other.eval()
    print(score(model), check(other))
    model.train()
    print(model(torch.ones(2, 4)))
    """
    found = lines(code)
    assert "return tf.reduce_sum(net(keras.ops.ones((2, 4)), training=False))" in found
    assert "print(model(keras.ops.ones((2, 4)), training=True))" in found


def test_a_model_that_only_may_have_been_switched_remembers_its_mode() -> None:
    code = """
    other = Net()
    def check(net):
        net.eval()
    check(model)
    check(other)
    print(model(torch.ones(2, 4)))
    """
    found = lines(code)
    assert "net.training = False" in found
    assert 'training=getattr(model, "training", True)' in found


def test_several_changes_of_a_parameter_in_a_row() -> None:
    code = """
    def average(net, other, decay):
        with torch.no_grad():
            for p, q in zip(net.parameters(), other.parameters()):
                p.mul_(decay).add_(q, alpha=1 - decay)
    average(Net(), model, 0.9)
    """
    assert "p.assign((p * decay) + (1 - decay) * q)" in lines(code)


def test_an_item_of_something_unknown() -> None:
    assert "return np.asarray(pair[0]).item()" in lines("def f(pair):\n    return pair[0].item()")


def test_a_recomputed_model_keeps_its_mode() -> None:
    code = """
    from torch.utils.checkpoint import checkpoint
    for i in range(2):
        opt.zero_grad()
        loss = checkpoint(model, torch.ones(2, 4), use_reentrant=False).sum()
        loss.backward()
        opt.step()
    """
    assert "tf.recompute_grad(model)(keras.ops.ones((2, 4)), training=True)" in lines(code)


def test_backward_of_a_tensor_takes_its_weights() -> None:
    code = """
    for i in range(2):
        opt.zero_grad()
        out = model(torch.ones(2, 4))
        out.backward(torch.ones_like(out))
        opt.step()
    """
    wanted = "tape.gradient(out, model.trainable_variables, output_gradients=tf.ones_like(out)"
    assert wanted in lines(code)


def test_operations_are_asked_to_be_deterministic() -> None:
    assert "tf.config.experimental.enable_op_determinism()" in lines("torch.use_deterministic_algorithms(True)")


def test_calls_about_the_runtime_are_dropped_with_a_word() -> None:
    code = """
    torch.cuda.empty_cache()
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    fast = torch.compile(model)
    print(fast(torch.ones(2, 4)))
    """
    found = result(code)
    end = "fast = model\nprint(fast(keras.ops.ones((2, 4)), training=True))"
    assert not found.refused and found.text.rstrip().endswith(end)
    assert "tf.config.experimental.enable_op_determinism()\n" in found.text
    assert [d.code for d in found.diagnostics].count("XL406") == 3


@pytest.mark.parametrize("code", [
    "torch.jit.load('m.pt')",
    "import torch.multiprocessing as mp\nmp.spawn(print, nprocs=2)", "torch.cuda.Stream()",
])  # fmt: skip
def test_what_belongs_to_pytorch_alone_is_refused_with_a_way_out(code: str) -> None:
    assert any(d.hint for d in result(code).diagnostics if d.severity == "error")


def test_summaries() -> None:
    code = """
    from torch.utils.tensorboard import SummaryWriter
    writer = SummaryWriter("runs/a")
    writer.add_scalar("loss", 0.5, global_step=3)
    writer.close()
    """
    found = lines(code)
    assert 'writer = SummaryWriter("runs/a")\nwriter.add_scalar("loss", 0.5, global_step=3)\nwriter.close()' in found


@pytest.mark.parametrize(("made", "step"), [
    ("LBFGS(model.parameters(), lr=0.5)", "loss = other.step(closure, lambda: model.trainable_variables)"),
    ("SGD(model.parameters(), lr=0.5)",
     "loss = step_with_closure(other, closure, lambda: model.trainable_variables)"),
])  # fmt: skip
def test_a_closure_leaves_its_gradients_with_the_optimizer(made: str, step: str) -> None:
    code = f"""
    other = optim.{made}
    def closure():
        other.zero_grad()
        loss = model(torch.ones(2, 4)).sum()
        loss.backward()
        return loss
    for i in range(3):
        loss = other.step(closure)
    """
    expected = """
    clear_gradients(other)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(keras.ops.ones((2, 4)), training=True))
    accumulate_gradients(other, tape.gradient(loss, model.trainable_variables))
    return loss
"""
    found = lines(code)
    assert expected in found and step in found


GRAPH = """
def fit(net, loader, scale=2.0):
    criterion = nn.MSELoss()
    total = 0.0
    for x, y in loader:
        opt.zero_grad()
        {before}
        loss = criterion(net(x), y){more}
        {after}
        loss.backward()
        opt.step()
    return total

fit(model, [(torch.ones(2, 4), torch.ones(2, 2))])
"""


def graph(before: str = "net.train()", more: str = "", after: str = "total += loss.item()", head: str = "") -> str:
    found = result(head + GRAPH.format(before=before, more=more, after=after))
    assert not found.refused, found.diagnostics
    return str(found.text)


def test_a_step_that_only_computes_becomes_a_graph() -> None:
    found = graph()
    step = """

@compiled
def train_step(criterion, net, opt, x, y):
    with tf.GradientTape() as tape:
        loss = criterion(net(x, training=True), y)
    gradients = tape.gradient(loss, net.trainable_variables)
    opt.apply_gradients(zip(gradients, net.trainable_variables))
    return loss


def fit(net, loader, scale=2.0):
"""
    loop = """
    for x, y in loader:
        loss = train_step(criterion, net, opt, x, y)
        total += loss.numpy().item()
"""
    assert step in found and loop in found


@pytest.mark.parametrize("change", [
    {"after": "print(net.fc.weight.sum().item())"}, {"after": "total += opt.param_groups[0]['lr']"},
    {"more": " * scale"}, {"more": " + torch.rand(1).sum()"}, {"more": " / loss_size(x)",
     "head": "\ndef loss_size(x):\n    print(x)\n    return 2.0\n"}, {"after": "if loss.item() > 9: break"},
    {"after": "model.scale = 3"}, {"before": "for p in net.parameters(): p.requires_grad = True"},
])  # fmt: skip
def test_a_step_that_sees_or_does_more_stays_in_its_loop(change: dict[str, str]) -> None:
    assert "train_step" not in graph(**change)


@pytest.mark.parametrize("kind", ["Adam", "AdamW", "SGD"])
def test_a_scheduler_that_changes_momentum_gets_an_optimizer_that_lets_it(kind: str) -> None:
    code = f"""
    other = optim.{kind}(model.parameters(), lr=0.1)
    plan = optim.lr_scheduler.OneCycleLR(other, max_lr=0.5, total_steps=20)
    """
    assert f"other = {kind}(learning_rate=0.1)" in lines(code)
