"""The PyTorch side of peers/torch.ts: reads requests from stdin, each a line of JSON and then the bytes of its inputs, and
answers each with a line of JSON and then the bytes of the result, if there is one."""
import json
import sys

import torch
from torch.nn import functional as F


def tensors(request):
    for spec in request["inputs"]:
        data = bytearray(sys.stdin.buffer.read(spec["bytes"]))
        yield torch.frombuffer(data, dtype=torch.int32 if spec["integer"] else torch.float32)


def prepare(work, adam, epsilon, inputs):
    """A function that does the work once and gives its result; how many results in a row make the whole one."""
    kind = work["kind"]
    if kind == "matmul":
        batch, m, n, k = work["batch"], work["m"], work["n"], work["k"]
        a, b = inputs
        a = a.view(batch, k, m).transpose(1, 2) if work["transposeA"] else a.view(batch, m, k)
        b = b.view(batch, n, k).transpose(1, 2) if work["transposeB"] else b.view(batch, k, n)
        if batch == 1:
            a, b = a[0], b[0]
        return lambda: a @ b, 1
    if kind == "add":
        x, y = inputs
        return lambda: x + y, 1
    if kind == "silu":
        (x,) = inputs
        return lambda: F.silu(x), 1
    if kind == "gatherRows":
        table = inputs[0].view(work["tableRows"], work["columns"])
        return lambda: F.embedding(inputs[1], table), 1
    if kind == "attention":
        return attention(work, inputs)
    if kind == "adamW":
        parameter = inputs[0].requires_grad_()
        parameter.grad = inputs[1]
        optimizer = optimizer_of([parameter], adam)

        def update():
            optimizer.step()
            return parameter.detach()

        return update, 1
    if kind == "mlpStep":
        return mlp(work, adam, inputs)
    x = inputs[0].view(work["rows"], work["columns"])
    if kind == "softmax":
        return lambda: F.softmax(x, -1), 1
    if kind == "layerNorm":
        return lambda: F.layer_norm(x, x.shape[1:], inputs[1], inputs[2], epsilon), 1
    if kind == "topK":
        return lambda: torch.topk(x, work["k"]).values, 1
    raise ValueError(f"{kind} is not written for PyTorch here")


def optimizer_of(parameters, adam):
    return torch.optim.Adam(
        parameters, lr=adam["learningRate"], betas=(adam["beta1"], adam["beta2"]), eps=adam["epsilon"]
    )


def attention(work, inputs):
    shape = (work["batch"], work["sequence"], work["heads"], work["headDim"])
    later = torch.full(shape[1:2] * 2, float("-inf")).triu(1)

    def forward(q, k, v):
        q, k, v = (x.transpose(1, 2) for x in (q, k, v))
        scores = (q @ k.transpose(2, 3)) * shape[3] ** -0.5 + later
        return (F.softmax(scores, -1) @ v).transpose(1, 2)

    q, k, v, *gradient = (x.view(shape) for x in inputs)
    if not work["backward"]:
        return lambda: forward(q, k, v), 1
    leaves = [x.requires_grad_() for x in (q, k, v)]

    def both():
        gradients = torch.autograd.grad(forward(*leaves), leaves, gradient[0])
        return torch.cat([x.flatten() for x in gradients])

    return both, 1


def mlp(work, adam, inputs):
    images = inputs[0].view(work["batch"], work["inputs"])
    labels = inputs[1].long()
    shapes = [(work["inputs"], work["hidden"]), (-1,), (work["hidden"], work["classes"]), (-1,)]
    parameters = [x.view(shape).requires_grad_() for x, shape in zip(inputs[2:], shapes)]
    w1, b1, w2, b2 = parameters
    optimizer = optimizer_of(parameters, adam)

    def step():
        loss = F.cross_entropy(torch.relu(images @ w1 + b1) @ w2 + b2, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach().view(1)

    return step, 3


def answer(reply, data=b""):
    sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n" + data)
    sys.stdout.buffer.flush()


def main():
    run, times = None, 1
    with open("/proc/self/maps") as maps:
        loaded = maps.read()
    answer({"version": torch.__version__, "fastBlas": "openblas" in loaded or "mkl" in loaded})
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            if request["kind"] == "prepare":
                torch.set_num_threads(request["threads"])
                run, times = prepare(request["work"], request["adam"], request["epsilon"], list(tensors(request)))
                answer({})
            elif request["kind"] == "run":
                for _ in range(request["times"]):
                    run()
                answer({})
            else:
                data = torch.cat([run().detach().flatten() for _ in range(times)]).numpy().tobytes()
                answer({"bytes": len(data)}, data)
        except Exception as error:
            answer({"error": str(error)})


main()
