"""One path function -> bitcode, compiled by itself against the declarations of what it calls."""
import builtins
import dis
import os
import re
from typing import Any

import llvmlite.binding as ll
from llvmlite import ir
from numba import types
from numba.core import cgutils, codegen, compiler, errors, funcdesc, registry
from numba.cpython import numbers
from numba.np import arrayobj

from . import options
from .numba_types import Declared, Refused


class Unit(codegen.CPUCodeLibrary):
    """Collects unoptimised code."""

    def add_llvm_module(self, m: Any) -> None:
        self._final_module.link_in(m)

    def finalize(self) -> None:
        self._finalized = True


typing_context, target_context = registry.cpu_target.typing_context, registry.cpu_target.target_context
flags = compiler.Flags()
flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_compile = flags.release_gil = True
flags.error_model = "numpy"
flags.boundscheck = options.BOUNDS


def c_index(context: Any, builder: Any, idxty: Any, idx: Any, size: Any) -> Any:
    """As in C: -1 is no element, not the last one (under BOUNDS it is a fault)."""
    if isinstance(idxty, types.Float):
        raise errors.TypingError("an index is an integer")
    return context.cast(builder, idx, idxty, types.intp)


arrayobj.fix_integer_index = c_index
numbers._int_arith_flags = lambda t: []             # as with -fwrapv: Numba's "nsw" makes an overflowing hash or random number undefined


def compile_unit(f: Any, declared: Declared) -> bytes:
    for op in dis.get_instructions(f):
        if op.opname == "LOAD_GLOBAL" and op.argval not in f.__globals__ and not hasattr(builtins, op.argval):
            raise Refused(f, f"name {op.argval!r} is not defined", op.positions.lineno or 0)    # type: ignore[union-attr]
    unit = Unit(target_context.codegen(), f.__name__)
    try:
        cr = compiler.compile_extra(typing_context, target_context, f, declared.sig.args, declared.sig.return_type, flags, {}, library=unit)
    except errors.NumbaError as e:
        raise Refused(f, *explain(e)) from (e if os.environ.get("RXPATH_TRACE") else None)
    got = cr.fndesc
    m = target_context.create_module(f"{f.__name__}.c")         # the C function round Numba's
    ext = funcdesc.ExternalFunctionDescriptor(f.__name__, declared.sig.return_type, declared.sig.args)
    fn = ir.Function(m, target_context.get_external_function_type(ext), f.__name__)
    b = ir.IRBuilder(fn.append_basic_block())
    status, out = target_context.call_conv.call_function(b, target_context.declare_function(m, got), got.restype, got.argtypes, fn.args)
    with cgutils.if_unlikely(b, status.is_error):               # an assert or (BOUNDS) an index: the first one is kept
        fault = cgutils.add_global_variable(m, cgutils.voidptr_t, "rxpath_fault")
        with b.if_then(cgutils.is_null(b, b.load(fault))):
            name = cgutils.global_constant(m, ".name", cgutils.make_bytearray(f.__name__.encode() + b"\0"))
            b.store(name.bitcast(cgutils.voidptr_t), fault)
    b.ret(target_context.get_value_as_argument(b, got.restype, out))
    unit.add_ir_module(m)
    mod = unit._final_module
    for lib in unit._linking_libraries:
        mod.link_in(lib._get_module_for_linking(), preserve=True)
    for g in (*mod.functions, *mod.global_variables):
        if not g.is_declaration and g.name != f.__name__:
            g.linkage = "internal"
    optimise(mod, machine(), 1)                                 # once here halves the later link
    return bytes(mod.as_bitcode())


def explain(e: Exception) -> tuple[str, int]:
    """The first sentence of ours, or of Numba's, and the innermost line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(e))
    lines = [int(n) for n in re.findall(r"\((\d+)\)", text)] or [0]
    ours = re.search(r"(struct \w+ has no field [^\n]*|\w+\(\): '[^\n]*|\w+\(\) takes [^\n]*|"
                     r"\w+ lies over a \w+, not a \w+|an index is an integer)", text)
    if ours:
        return ours[1].strip(), getattr(getattr(e, "loc", None), "line", 0) or lines[-1]
    if "none" in text and ("unify" in text or "return" in text):
        return "a path through the function returns nothing", 0
    said = [s.strip() for s in text.splitlines() if s.strip() and not s.startswith(("Failed in", "File", "During", "-", " "))]
    return (said or [text])[0][:300], lines[-1]


# ---------------------------------------------------------------- LLVM
_machine: Any = None


def machine() -> Any:
    global _machine
    if _machine is None:
        cpu = options.CPU if options.CPU != "native" else ll.get_host_cpu_name()
        features = ll.get_host_cpu_features().flatten() if options.CPU == "native" else ""
        if options.CPU.startswith("x86") and not ll.get_default_triple().startswith("x86_64"):
            cpu = "generic"
        triple = ll.Target.from_default_triple()
        _machine = triple.create_target_machine(cpu=cpu, features=features, opt=options.OPT, reloc="pic", codemodel="default")
    return _machine


def optimise(whole: Any, tm: Any, level: int) -> Any:
    tuning = ll.create_pipeline_tuning_options(speed_level=level)
    tuning.loop_vectorization = tuning.slp_vectorization = tuning.loop_interleaving = level > 1
    passes = ll.create_pass_builder(tm, tuning)
    passes.getModulePassManager().run(whole, passes)
    return whole
