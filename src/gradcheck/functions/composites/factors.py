"""Linear algebra of factors."""

from __future__ import annotations

from gradcheck.functions.composites.matrices import (
    DTYPES,
    around,
    at_every_order,
    entry,
    full_rank,
    inverse_of_triangle,
    joined,
    matrix,
    not_info,
    orthogonal,
    square,
    triangle,
)
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

# --- Cholesky ----------------------------------------------------------------------------------------

# torch reads one triangle, and gives the slope by a symmetric matrix to both (cholesky_backward): the function is that of
# (x + x.mT)/2, which is x wherever there is a factor.


def _factor(x: str, n: int, batch: Shape, prefix: str = "l") -> tuple[list[str], dict[tuple[int, int], str]]:
    """Return lines with the elements of the Cholesky factor of a symmetric matrix, and their names."""
    at, lines, names = entry(x, batch), [], {}
    for j in range(n):
        for i in range(j, n):
            less = "".join(f" - {prefix}{i}{k}*{prefix}{j}{k}" for k in range(j))
            value = f"sqrt({at(j, j)}{less})" if i == j else f"({at(i, j)}{less})/{prefix}{j}{j}"
            lines.append(f"{prefix}{i}{j} = {value}")
            names[i, j] = f"{prefix}{i}{j}"
    return lines, names


def _cholesky(x: Shape, upper: Param = False) -> str:
    n, batch = square("cholesky", x), x[:-2]
    lines, names = _factor("s", n, batch)
    return joined("s = (x + mT(x))/2", lines, triangle(names, n, batch, bool(upper)))


def _factored_symmetric(n: int, batch: Shape) -> list[str]:
    """Return lines with the symmetric matrix ``near`` whose Cholesky factor torch finds.

    What is factored is A + E with |E| <= (n + 1)*u*|L|*|L.mT| (Higham, theorem 10.3), whose elements are at most
    (n + 1)*u*sqrt(a_ii*a_jj); solving with the factors adds twice as much.
    """
    at = entry("s", batch)
    root = f"sqrt(abs(stack([{', '.join(at(k, k) for k in range(n))}], dim={len(batch)})))"
    size = f"reshape(root, {(*batch, n, 1)})*reshape(root, {(*batch, 1, n)})"
    return [f"root = {root}", *around("s", (*batch, n, n), 3 * (n + 1), size, "near")]


def _cholesky_stored(x: Shape, upper: Param = False) -> str:
    """Return the factor with torch's slope (cholesky_jvp, cholesky_backward).

    The slope is l*phi(w*u*w.mT), where l is the stored factor, w its inverse, and phi halves the diagonal of the lower
    triangle.
    """
    n, batch = square("cholesky", x), x[:-2]
    lines, names = _factor("near", n, batch)
    inverse, inverted = inverse_of_triangle({key: f"m{name[1:]}" for key, name in names.items()}, n)
    phi = matrix([["1/2" if i == j else "1" if i > j else "0" for j in range(n)] for i in range(n)])
    made = "l + matmul(l, phi*matmul(matmul(w, u), mT(w)))"
    return joined(
        "s = (x + mT(x))/2", _factored_symmetric(n, batch), lines, f"l = detach({triangle(names, n, batch)})",
        [f"m{i}{j} = {entry('l', batch)(i, j)}" for i, j in names], inverse, f"w = detach({triangle(inverted, n, batch)})",
        f"phi = {phi}", "u = s - detach(s)", f"mT({made})" if upper else made,
    )  # fmt: skip


def _cholesky_ex(x: Shape, upper: Param = False, result: Param = 0) -> str:
    not_info(result)
    return _cholesky(x, upper)


def _cholesky_ex_stored(x: Shape, upper: Param = False, result: Param = 0) -> str:
    not_info(result)
    return _cholesky_stored(x, upper)


def _cholesky_near(_order: int, x: Shape, upper: Param = False, **_: Param) -> str:
    n, batch = square("cholesky", x), x[:-2]
    lines, names = _factor("near", n, batch)
    return joined("s = (x + mT(x))/2", _factored_symmetric(n, batch), lines, triangle(names, n, batch, bool(upper)))


# --- reflections -------------------------------------------------------------------------------------


def _reflected(matrix: str, v: str, scale: str, k: int, batch: Shape) -> str:
    """Return the text of a matrix whose rows from ``k`` on are reflected: of it minus scale*v*v.mT times it."""
    cut = ":, " * len(batch)
    below = f"{matrix}[{cut}{k}:, :]"
    made = f"{below} - matmul({v}, matmul(mT({v}), {below}))*({scale})"
    return f"cat([{matrix}[{cut}:{k}, :], {made}], dim={len(batch)})" if k else made


def _qr(x: Shape, result: Param = 0) -> str:
    return joined(_orthogonalised(x, "x", result))


def _qr_near(x: Shape, result: Param = 0) -> str:
    return joined(orthogonal("x", x), _orthogonalised(x, "near", result))


def _qr_stored(x: Shape, result: Param = 0) -> str:
    """Return the factors with torch's slope, made of the stored ones (linalg_qr_backward).

    With k = u*inv(r) the slope of r is t*r, where t is the upper triangle of q.mT*k and its transpose, with half of the
    diagonal; that of q is k - q*t. Where x is wide, that of q is q*o and that of r is q.mT*u - o*r, where o is the lower
    triangle of q.mT*k without the diagonal, less its transpose.

    What is stored are the factors of x + e (see orthogonal). These are off by sqrt(2)*|e|*|inv(r)| in q, times |r| in r
    (Higham, section 19.9), and inv(r) by as much times itself.
    """
    *lines, q = _orthogonalised(x, "x", 0)
    r = _orthogonalised(x, "x", 1)[-1]
    *leading, m, n = x
    batch, rank = tuple(leading), min(m, n)
    over, off = f"dim={(len(batch), len(batch) + 1)}, keepdim=True", 12 * m * n
    names = {(i, j): f"m{i}{j}" for j in range(rank) for i in range(j, rank)}
    inverse, inverted = inverse_of_triangle(names, rank)
    lines += [
        f"orth = {q}", f"upper = {r}", *(f"{name} = {entry('upper', batch)(j, i)}" for (i, j), name in names.items()),
        *inverse, f"back = {triangle(inverted, rank, batch, upper=True)}",
        f"far = sqrt(sum(x**2, {over}))", f"steep = sqrt(sum(back**2, {over}))",
        *around("orth", (*batch, m, rank), off, "far*steep", "qs"), "q = detach(qs)",
        *around("upper", (*batch, rank, n), off, "far*far*steep", "rs"), "r = detach(rs)",
        *around("back", (*batch, rank, rank), off, "far*steep*steep", "ws"), "w = detach(ws)", "u = x - detach(x)",
    ]  # fmt: skip
    if m >= n:
        half = matrix([["1/2" if i == j else "1" if i < j else "0" for j in range(n)] for i in range(n)])
        lines += ["k = matmul(u, w)", "z = matmul(mT(q), k)", f"t = {half}*(z + mT(z))"]
        return joined(lines, "r + matmul(t, r)" if result else "q + k - matmul(q, t)")
    below = matrix([["1" if i > j else "0" for j in range(m)] for i in range(m)])
    lines += ["k = matmul(mT(q), u)", f"z = {below}*matmul(k[{':, ' * (len(batch) + 1)}:{m}], w)", "o = z - mT(z)"]
    return joined(lines, "r + k - matmul(o, r)" if result else "q + matmul(q, o)")


def _orthogonalised(x: Shape, of: str, result: Param) -> list[str]:
    """Return the lines of Householder's factorisation, whose reflections decide the signs: those of LAPACK's geqrf.

    Each makes the element on the diagonal the norm of what is on and below it, with the opposite sign of what was there.
    Where all below it is 0, as in the last row, it keeps its sign (dlarfg): there the factors jump.
    """
    full_rank("qr", x)
    *batch, m, n = x
    rank = min(m, n)
    cut, over = ":, " * len(batch), f"dim={len(batch)}, keepdim=True"
    lines, last, unit = [], of, "e0"
    rows = matrix([["1" if i == j else "0" for j in range(m)] for i in range(m)])
    lines.append(f"e0 = expand({rows}, {(*batch, m, m)})" if batch else f"e0 = {rows}")
    for k in range(min(n, m - 1)):
        column = f"{last}[{cut}{k}:, {k}:{k + 1}]"
        lines += [
            f"c{k} = {column}", f"h{k} = c{k}[{cut}0:1, :]", f"d{k} = sqrt(sum(c{k}**2, {over}))",
            f"v{k} = cat([h{k} + where(h{k} >= 0, d{k}, -d{k}), c{k}[{cut}1:, :]], dim={len(batch)})",
            f"s{k} = where(sum(c{k}[{cut}1:, :]**2, {over}) == 0, 0, 2/sum(v{k}**2, {over}))",
            f"t{k} = {_reflected(last, f'v{k}', f's{k}', k, tuple(batch))}",
            f"e{k + 1} = {_reflected(unit, f'v{k}', f's{k}', k, tuple(batch))}",
        ]  # fmt: skip
        last, unit = f"t{k}", f"e{k + 1}"
    if result == 0:
        return [*lines, f"mT({unit}[{cut}:{rank}, :])"]
    triangle = matrix([["1" if i <= j else "0" for j in range(n)] for i in range(rank)])
    return [*lines, f"{last}[{cut}:{rank}, :]*{triangle}"]


def _householder(x: Shape, tau: Shape) -> str:
    return joined(_product_of_reflections(x, tau, "x", "tau"))


def _householder_near(x: Shape, tau: Shape) -> str:
    """Return the product of what is near: torch's backward takes reflections back by their inverses.

    A reflection and its inverse stretch by |1 - tau*|v|**2| and by one over that, which roundings grow by
    (FunctionsManual.cpp, householder_product_backward).
    """
    made = _product_of_reflections(x, tau, "near", "far")
    stretched = [
        f"abs(1 - tau[{k}]*(1 + sum(x[{k + 1}:, {k}]**2)))" if k + 1 < x[0] else f"abs(1 - tau[{k}])"
        for k in range(tau[0])
    ]
    return joined(
        [f"l{k} = {one}" for k, one in enumerate(stretched)],
        f"grown = {'*'.join(['1', *(f'maximum(l{k}, 1/l{k})' for k in range(tau[0]))])}",
        around("x", x, 4 * x[-2], "grown*maximum(abs(x), 1)", "near"),
        around("tau", tau, 4 * x[-2], "grown*abs(tau)", "far"),
        made,
    )


def _product_of_reflections(x: Shape, tau: Shape, of: str, by: str) -> list[str]:
    """Return the lines of the first columns of (I - tau_1*v_1*v_1.mT)*(I - tau_2*v_2*v_2.mT)*...

    Each v has a 1 on the diagonal, and below it what is there in its column.
    """
    if len(x) != 2 or x[0] < x[1] or len(tau) != 1 or tau[0] > x[1]:
        raise ValueError("householder_product takes a matrix with as many rows as columns, or more, and a tau for each")
    m, n = x
    square("householder_product", (n, n))
    unit = matrix([["1" if i == j else "0" for j in range(n)] for i in range(m)])
    lines, last = [f"q = {unit}"], "q"
    for k in reversed(range(tau[0])):
        below = f", {of}[{k + 1}:, {k}:{k + 1}]" if k + 1 < m else ""
        one = f"reshape(1 + 0*{by}[{k}], (1, 1))"
        lines += [
            f"v{k} = cat([{one}{below}], dim=0)" if below else f"v{k} = {one}",
            f"q{k} = {_reflected(last, f'v{k}', f'{by}[{k}]', k, ())}",
        ]
        last = f"q{k}"
    return [*lines, last]


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("cholesky", ("x",), ("upper",), _cholesky, ("cholesky(a @ a.T)", "cholesky(a @ a.T, upper=True)"), as_torch=_cholesky_stored, again=_cholesky_near, stored=True, dtypes=DTYPES, torch=lambda m, x, upper=False: m.linalg.cholesky(x, upper=upper), summary="the Cholesky factor of a positive definite matrix"),
    Composite("cholesky_ex", ("x",), ("upper",), _cholesky_ex, ("cholesky_ex(a @ a.T)[0]",), results=("L", "info"), as_torch=_cholesky_ex_stored, again=_cholesky_near, stored=True, dtypes=DTYPES, torch=lambda m, x, upper=False: m.linalg.cholesky_ex(x, upper=upper), summary="the Cholesky factor of a positive definite matrix, and whether there is one"),
    Composite("qr", ("x",), (), _qr, ("qr(a.T)[0]", "qr(a[:, :2])[1]", "qr(a)[0]", "qr(a)[1]"), results=("Q", "R"), as_torch=_qr_stored, again=at_every_order(_qr_near), stored=True, dtypes=DTYPES, torch=lambda m, x: m.linalg.qr(x), summary="the orthogonal and the triangular factor of a matrix"),
    Composite("householder_product", ("x", "tau"), (), _householder, ("householder_product(a.T, u)",), as_torch=_householder_near, again=at_every_order(_householder_near), stored=True, wrong=("fwd",), dtypes=DTYPES, torch=lambda m, x, tau: m.linalg.householder_product(x, tau), summary="the first columns of a product of reflections"),
)
# fmt: on
