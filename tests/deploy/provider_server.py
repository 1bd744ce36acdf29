"""A provider that knows a schema and checks configurations by it, for the real ``terraform``.

It speaks version 5 of Terraform's plugin protocol (``tfplugin5.proto`` in Terraform's sources) as
far as ``validate`` and ``test`` with mocked providers need it: it tells the schema, and says which
values are none of those that an argument takes. It makes nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import msgpack
from google.protobuf import descriptor_pb2, descriptor_pool

from .provider_schema import Block, Schema

try:
    from google.protobuf.message_factory import GetMessageClass
except ImportError:  # protobuf 3
    from google.protobuf.message_factory import MessageFactory

    GetMessageClass = MessageFactory().GetPrototype

#: The messages of the protocol that are used: name, field, number, and type; + for a repeated one.
_MESSAGES = """
Attribute name 1 string, type 2 bytes, required 4 bool, optional 5 bool, computed 6 bool
Block attributes 2 +Attribute, block_types 3 +NestedBlock
NestedBlock type_name 1 string, block 2 Block, nesting 3 int32, min_items 4 int64, max_items 5 int64
Schema version 1 int64, block 2 Block
Named key 1 string, value 2 Schema
Diagnostic severity 1 int32, summary 2 string, detail 3 string
Value msgpack 1 bytes
SchemaReply provider 1 Schema, resources 2 +Named, data_sources 3 +Named
ProviderConfig config 1 Value
ProviderReply config 1 Value, diagnostics 2 +Diagnostic
ConfigOf type_name 1 string, config 2 Value
ConfigReply diagnostics 1 +Diagnostic
"""
_NESTING = {"single": 1, "list": 2, "set": 3}
_ERROR = 1


def _messages() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="provider.proto", package="p", syntax="proto3")
    scalars = {"string": 9, "bytes": 12, "bool": 8, "int32": 5, "int64": 3}
    for line in _MESSAGES.strip().splitlines():
        name, _, fields = line.partition(" ")
        message = file.message_type.add(name=name)
        for each in fields.split(", "):
            label, number, kind = each.split()
            field = message.field.add(name=label, number=int(number))
            field.label = 3 if kind.startswith("+") else 1
            if kind in scalars:
                field.type = scalars[kind]
            else:
                field.type = 11
                field.type_name = f".p.{kind.removeprefix('+')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        message.name: GetMessageClass(pool.FindMessageTypeByName(f"p.{message.name}"))
        for message in file.message_type
    }


@contextmanager
def provider(schema: Schema, address: str, socket: Path) -> Iterator[dict[str, str]]:
    """Serves the schema until the end of the block.

    Args:
        schema: What to tell and to check by.
        address: The provider's, such as ``registry.terraform.io/hashicorp/google``.
        socket: Where to listen.

    Yields:
        The environment in which ``terraform`` takes this provider for that address.
    """
    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([_handler(schema)])
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    try:
        running = {
            "Protocol": "grpc",
            "ProtocolVersion": 5,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "unix", "String": str(socket)},
        }
        yield {"TF_REATTACH_PROVIDERS": json.dumps({address: running})}
    finally:
        server.stop(None).wait()


def _handler(schema: Schema) -> grpc.GenericRpcHandler:
    message = _messages()

    def tell(_: Any, __: grpc.ServicerContext) -> Any:  # noqa: ANN401
        named = {
            kind: [
                message["Named"](key=name, value={"version": 1, "block": _block(block)})
                for name, block in blocks.items()
            ]
            for kind, blocks in (
                ("resources", schema.resources),
                ("data_sources", schema.data_sources),
            )
        }
        return message["SchemaReply"](provider={"block": _block(schema.provider)}, **named)

    def accept(request: Any, _: grpc.ServicerContext) -> Any:  # noqa: ANN401
        return message["ProviderReply"](config=request.config)

    def check(request: Any, _: grpc.ServicerContext) -> Any:  # noqa: ANN401
        block = {**schema.resources, **schema.data_sources}[request.type_name]
        # What is not known yet comes as an extension type.
        config = msgpack.unpackb(request.config.msgpack, ext_hook=lambda *_: None)
        return message["ConfigReply"](
            diagnostics=[
                {"severity": _ERROR, "summary": "A value that is none", "detail": wrong}
                for wrong in _wrong_values(block, config, request.type_name)
            ]
        )

    def rpc(function: Any, request: str) -> grpc.RpcMethodHandler:  # noqa: ANN401
        return grpc.unary_unary_rpc_method_handler(
            function,
            request_deserializer=message[request].FromString,
            response_serializer=lambda reply: reply.SerializeToString(),
        )

    return grpc.method_handlers_generic_handler(
        "tfplugin5.Provider",
        {
            "GetSchema": rpc(tell, "Value"),
            "PrepareProviderConfig": rpc(accept, "ProviderConfig"),
            "ValidateResourceTypeConfig": rpc(check, "ConfigOf"),
            "ValidateDataSourceConfig": rpc(check, "ConfigOf"),
            "Stop": rpc(lambda *_: message["ConfigReply"](), "Value"),
        },
    )


def _block(block: Block) -> dict[str, Any]:
    return {
        "attributes": [
            {
                "name": name,
                "type": json.dumps(each.type).encode(),
                "required": each.required,
                "optional": each.optional,
                "computed": each.computed,
            }
            for name, each in block.attributes.items()
        ],
        "block_types": [
            {
                "type_name": name,
                "block": _block(each.block),
                "nesting": _NESTING[each.nesting],
                "min_items": int(each.required and each.nesting != "single"),
                "max_items": 0 if each.repeatable or each.nesting == "single" else 1,
            }
            for name, each in block.blocks.items()
        ],
    }


def _wrong_values(block: Block, config: dict[str, Any] | None, where: str) -> Iterator[str]:
    for name, attribute in block.attributes.items():
        value = (config or {}).get(name)
        if attribute.values and value is not None and value not in attribute.values:
            yield f"{where}.{name} is {value!r}, not one of {', '.join(attribute.values)}"
    for name, nested in block.blocks.items():
        inside = (config or {}).get(name)
        for each in inside if isinstance(inside, list) else [inside]:
            yield from _wrong_values(nested.block, each, f"{where}.{name}")
