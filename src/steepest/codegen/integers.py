"""Functions of integers that take a loop."""

from __future__ import annotations

from llvmlite import ir

from steepest.codegen.types import BIT


def integer_power(module: ir.Module, kind: ir.IntType) -> ir.Function:
    """`power(base, exponent)` by squaring; it wraps around as products of integers do.

    The exponent is taken as unsigned: negative ones are refused before (see `CheckNest`).
    """
    name = f"steepest_power_i{kind.width}"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(kind, [kind, kind]), name)
    function.linkage = "internal"
    function.attributes.add("nounwind")
    entry, head, body, done = (
        function.append_basic_block(each) for each in ("entry", "head", "body", "done")
    )
    builder = ir.IRBuilder(entry)
    builder.branch(head)
    builder.position_at_end(head)
    result, factor, left = (builder.phi(kind) for _ in range(3))
    start = (ir.Constant(kind, 1), *function.args)
    for phi, value in zip((result, factor, left), start, strict=True):
        phi.add_incoming(value, entry)
    builder.cbranch(builder.icmp_unsigned("!=", left, ir.Constant(kind, 0)), body, done)
    builder.position_at_end(body)
    odd = builder.trunc(left, BIT)
    multiplied = builder.select(odd, builder.mul(result, factor), result)
    following = (
        multiplied,
        builder.mul(factor, factor),
        builder.lshr(left, ir.Constant(kind, 1)),
    )
    for phi, value in zip((result, factor, left), following, strict=True):
        phi.add_incoming(value, body)
    builder.branch(head)
    builder.position_at_end(done)
    builder.ret(result)
    return function
