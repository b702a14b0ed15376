"""GraphQL documents to calls of resolvers.

A document is parsed and checked against schema.graphql once per text; what remains of it is a
plan: the resolvers to call and the fields to pick from their results. Dispatch goes by the
fields that stand in the document, never by the operation's name, so any client may write its
documents in its own way.

A resolver is registered with @op("runs.getRuns", scope=..., where=...):
  scope   "deployment" (the request must name one), "organization" (it must not), "any"
  where   "loop" (answers at once), "read" or "write" (runs in the storage threads)
It gets a Call and the field's arguments, and returns plain dicts, lists and scalars.
"""

import json
from collections import OrderedDict

from graphql import (
    GraphQLError,
    GraphQLInt,
    GraphQLScalarType,
    OperationType,
    build_schema,
    get_argument_values,
    get_named_type,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values
from graphql.language import FieldNode, FragmentSpreadNode, InlineFragmentNode
from importlib import resources

MAX_PLANS = 1000
OPS = {}


class Op:
    __slots__ = ("name", "fn", "scope", "where")

    def __init__(self, name, fn, scope, where):
        self.name, self.fn, self.scope, self.where = name, fn, scope, where


def op(name, scope="deployment", where="read"):
    def register(fn):
        if name in OPS:
            raise ValueError(f"two resolvers for {name}")
        OPS[name] = Op(name, fn, scope, where)
        return fn

    return register


class Call:
    """What a resolver may know about the request: the plane, the deployment, the headers."""

    __slots__ = ("plane", "deployment", "headers")

    def __init__(self, plane, deployment, headers):
        self.plane, self.deployment, self.headers = plane, deployment, headers

    @property
    def instance(self):
        return self.plane.instances.get(self.deployment)


class DocumentError(Exception):
    """The document or its variables do not fit the schema."""

    def __init__(self, messages, unknown_fields=()):
        super().__init__("; ".join(messages))
        self.messages = list(messages)
        self.unknown_fields = list(unknown_fields)


def _strict_int(value):
    if isinstance(value, bool) or not isinstance(value, int):
        raise GraphQLError(f"not an integer: {value!r}")
    return value


def _json_text(value):
    if not isinstance(value, str):
        raise GraphQLError("not a JSON text")
    json.loads(value)
    return value


def load_schema():
    text = resources.files(__package__).joinpath("schema.graphql").read_text()
    schema = build_schema(text)
    types = schema.type_map
    types["BigInt"].parse_value = _strict_int
    types["JSONString"].parse_value = _json_text
    GraphQLInt.parse_value = _strict_int
    return schema


def leaf_names(schema):
    """Names of all resolvers that the schema asks for: "runs.getRuns", "deployments", ..."""
    names = []
    for root in (schema.query_type, schema.mutation_type):
        for name, field in root.fields.items():
            inner = get_named_type(field.type)
            if inner.name.endswith(("Query", "Mutation")):
                names += [f"{name}.{leaf}" for leaf in inner.fields]
            else:
                names.append(name)
    return names


class Step:
    """One resolver to call: where its result goes, what is picked from it."""

    __slots__ = ("op", "path", "field_def", "node", "pick")

    def __init__(self, op, path, field_def, node, pick):
        self.op, self.path, self.field_def = op, path, field_def
        self.node, self.pick = node, pick


class Plan:
    __slots__ = ("name", "operation", "steps", "variables", "typenames")

    def __init__(self, name, operation):
        self.name = name
        self.operation = operation
        self.steps = []
        self.variables = operation.variable_definitions
        self.typenames = []

    @property
    def ops(self):
        return [step.op.name for step in self.steps]


def _float(value):
    return None if value is None else float(value)


def _fields(selections, fragments, type_name):
    """Flatten fragments: yields (FieldNode, type condition or None)."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield node, None
        elif isinstance(node, InlineFragmentNode):
            condition = node.type_condition.name.value if node.type_condition else type_name
            for field, inner in _fields(node.selection_set, fragments, condition):
                yield field, inner or condition
        elif isinstance(node, FragmentSpreadNode):
            fragment = fragments[node.name.value]
            condition = fragment.type_condition.name.value
            for field, inner in _fields(fragment.selection_set, fragments, condition):
                yield field, inner or condition


def _pick(schema, type_, node, fragments):
    """A picker: None for scalars that pass as they are, a function for floats, else a list of
    (response key, field name, type condition or None, inner picker, field with arguments)."""
    named = get_named_type(type_)
    if node.selection_set is None:
        is_float = isinstance(named, GraphQLScalarType) and named.name == "Float"
        return _float if is_float else None
    picks, seen = [], set()
    for field, condition in _fields(node.selection_set, fragments, named.name):
        key = field.alias.value if field.alias else field.name.value
        if condition == named.name:
            condition = None
        if (key, condition) in seen:
            continue
        seen.add((key, condition))
        if field.name.value == "__typename":
            picks.append((key, "__typename", None, named.name, None))
            continue
        owner = schema.type_map[condition] if condition else named
        inner = owner.fields[field.name.value]
        picks.append((key, field.name.value, condition,
                      _pick(schema, inner.type, field, fragments),
                      (inner, field) if inner.args else None))
    return picks


def pick(value, picker, variables):
    if picker is None or value is None:
        return value
    if isinstance(value, list):
        return [pick(item, picker, variables) for item in value]
    if callable(picker):
        return picker(value)
    result = {}
    for key, name, condition, inner, field in picker:
        if name == "__typename":
            result[key] = value.get("__typename", inner)
        elif condition is None or value.get("__typename", condition) == condition:
            if field is None:
                item = value.get(name)
            else:
                item = value.call(name, get_argument_values(*field, variables))
            result[key] = item if inner is None else pick(item, inner, variables)
    return result


class Documents:
    """Plans by text."""

    def __init__(self):
        self.schema = load_schema()
        self.plans = OrderedDict()
        wanted, have = set(leaf_names(self.schema)), set(OPS)
        if wanted != have:
            raise RuntimeError(f"schema and resolvers differ: {sorted(wanted ^ have)}")

    def plan(self, text, operation_name=None):
        key = (text, operation_name)
        plan = self.plans.get(key)
        if plan is None:
            plan = self._compile(text, operation_name)
            self.plans[key] = plan
            if len(self.plans) > MAX_PLANS:
                self.plans.popitem(last=False)
        return plan

    def _compile(self, text, operation_name):
        try:
            document = parse(text)
        except GraphQLError as e:
            raise DocumentError([e.message]) from None
        errors = validate(self.schema, document)
        if errors:
            raise DocumentError(
                [e.message for e in errors],
                [e.message for e in errors if e.message.startswith("Cannot query field")],
            )
        operations = [d for d in document.definitions if d.kind == "operation_definition"]
        fragments = {
            d.name.value: d for d in document.definitions if d.kind == "fragment_definition"
        }
        if operation_name is not None:
            operations = [o for o in operations if o.name and o.name.value == operation_name]
        if len(operations) != 1:
            raise DocumentError(["The document must have exactly one operation to execute."])
        operation = operations[0]
        plan = Plan(operation.name.value if operation.name else None, operation)
        is_query = operation.operation is OperationType.QUERY
        root = self.schema.query_type if is_query else self.schema.mutation_type
        for field, _ in _fields(operation.selection_set, fragments, root.name):
            self._add_steps(plan, root, field, fragments, (), "")
        return plan

    def _add_steps(self, plan, type_, node, fragments, path, prefix):
        name = node.name.value
        key = node.alias.value if node.alias else name
        if name == "__typename":
            plan.typenames.append((path + (key,), type_.name))
            return
        field_def = type_.fields[name]
        inner = get_named_type(field_def.type)
        if inner.name.endswith(("Query", "Mutation")):
            for field, _ in _fields(node.selection_set, fragments, inner.name):
                self._add_steps(plan, inner, field, fragments, path + (key,), name + ".")
            return
        picker = _pick(self.schema, field_def.type, node, fragments)
        plan.steps.append(Step(OPS[prefix + name], path + (key,), field_def, node, picker))

    def arguments(self, plan, variables):
        """(variables, arguments of every step), checked against the schema."""
        values = get_variable_values(self.schema, plan.variables, variables or {})
        if isinstance(values, list):
            raise DocumentError([e.message for e in values])
        try:
            return values, [get_argument_values(s.field_def, s.node, values)
                            for s in plan.steps]
        except GraphQLError as e:
            raise DocumentError([e.message]) from None


def place(data, path, value):
    for key in path[:-1]:
        data = data.setdefault(key, {})
    data[path[-1]] = value


def result_of(plan, results, variables):
    data = {}
    for path, name in plan.typenames:
        place(data, path, name)
    for step, value in zip(plan.steps, results):
        place(data, step.path, pick(value, step.pick, variables))
    return data
