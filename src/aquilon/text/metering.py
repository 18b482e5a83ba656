"""Add calls to a template's syntax tree that count its work against the budget."""

from __future__ import annotations

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from aquilon.text.budget import NODE


def meter(template: nodes.Template) -> nodes.Template:
    """The template with calls that count the work of loops, macros, comparisons, slices and concatenations."""
    metered: nodes.Template = _Meter().visit(template)
    return metered


class _Meter(NodeTransformer):
    def visit_For(self, node: nodes.For) -> nodes.For:
        price = _price(node)
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_call("spend", nodes.Const(price), lineno=node.lineno)))
        if node.test is not None:
            node.test = nodes.And(_call("spend", nodes.Const(price), lineno=node.lineno), node.test)
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:
        price = _price(node)
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_call("spend", nodes.Const(price), lineno=node.lineno)))
        return node

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.CallBlock:
        price = _price(node)
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_call("spend", nodes.Const(price), lineno=node.lineno)))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:
        self.generic_visit(node)
        return _call("joined", *node.nodes, lineno=node.lineno)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:
        self.generic_visit(node)
        searched = [operand for operand in node.ops if operand.op in ("in", "notin")]
        for operand in searched:
            operand.expr = _weighed(operand.expr)
        if not any(isinstance(operand.expr, nodes.Const) for operand in node.ops):
            node.expr = _weighed(node.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        self.generic_visit(node)
        is_slice = isinstance(node.arg, nodes.Slice) and node.ctx == "load"
        return _call("copied", node, lineno=node.lineno) if is_slice else node


def _weighed(node: nodes.Expr) -> nodes.Expr:
    return node if isinstance(node, nodes.Const) else _call("weighed", node, lineno=node.lineno)


def _call(name: str, *args: nodes.Expr, lineno: int) -> nodes.Call:
    call = nodes.Call(nodes.EnvironmentAttribute(name), list(args), [], None, None)
    for node in (call, *call.find_all((nodes.EnvironmentAttribute, nodes.Const))):
        node.set_lineno(lineno)
    return call


def _price(node: nodes.Node) -> int:
    """Nominal nanoseconds to run the content of a node once."""
    price = 0
    pending = [node]
    while pending:
        inner = pending.pop()
        price += NODE
        if isinstance(inner, nodes.TemplateData):
            price += len(inner.data) // 4
        elif isinstance(inner, nodes.Const) and isinstance(inner.value, str):
            price += len(inner.value) // 4
        pending.extend(inner.iter_child_nodes())
    return price
