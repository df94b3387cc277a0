# ruff: noqa: E501
"""Faults to put into the C++ one at a time, each of which some test has to notice.

By source below src/cpp: the tests that hold it, and the faults: a name, what stands there, what
stands there instead. The first place of a text is changed. Written before any of them was tried.
"""

CELLS = "test_forward.py test_backward.py test_cell_options.py test_exact_integers.py"
BITS = "test_forward.py test_backward.py test_bits.py test_properties.py"

MUTATIONS = {
    "kernels/lstm.h": (
        CELLS,
        {
            "slots of g and o swapped": (
                "enum : int { i, g, o, f };",
                "enum : int { i, o, g, f };",
            ),
            "f and i swapped": ("fma(f, c_prev, i * g)", "fma(i, c_prev, f * g)"),
            "f is 1 + i where coupled": ("Vec<T> f = T(1) - i;", "Vec<T> f = T(1) + i;"),
            "h without o": ("o * vtanh(lstm_seen", "vtanh(lstm_seen"),
            "o peeps at nothing": (
                "o = vsigmoid(form.peep(load(o_slot), form.p_o, c))",
                "o = vsigmoid(load(o_slot))",
            ),
            "clip from above alone": ("at_least(-clip, at_most(clip, c))", "at_most(clip, c)"),
            "clipped cells pass a gradient": ("((c < clip) & (c > -clip)) ? d_c : V{}", "d_c"),
            "slope of tanh with a plus": (
                ".slope = one - tanh_c * tanh_c",
                ".slope = one + tanh_c * tanh_c",
            ),
            "d_f of the new c": (
                "dc * c_prev * (f * (one - f))",
                "dc * load(s.c + at) * (f * (one - f))",
            ),
            "d_g without i": ("dc * i * (one - g * g)", "dc * (one - g * g)"),
            "dc without f": ("form.peep(form.peep(dc * f,", "form.peep(form.peep(dc,"),
            "coupled d_i without c": ("Form::coupled ? g - c_prev : g", "Form::coupled ? g : g"),
            "peepholes of f and i swapped": ("p_f = load(weights + 2 * L)", "p_f = load(weights)"),
            "no bias of the cell's norm": (
                "s.cell_norm.bias ? load(s.cell_norm.bias + unit) : Vec<T>{}",
                "Vec<T>{}",
            ),
        },
    ),
    "kernels/gru.h": (
        CELLS,
        {
            "slots of r and z swapped": (
                "enum : int { n, r, z, hn };",
                "enum : int { n, z, r, hn };",
            ),
            "z keeps n": ("fma(z, h_prev - n, n)", "fma(z, n - h_prev, h_prev)"),
            "no b_hn": ("b_hn = load(s.b_hn + p * L)", "b_hn = Vec<T>{}"),
            "d_z with a wrong sign": ("through_z * (h_prev - n)", "through_z * (n - h_prev)"),
            "d_n without its slope": ("(dh - through_z) * (one - n * n)", "(dh - through_z)"),
            "n forgets r": (
                "fma(gru_reset(gate), load(gate + GruSlot::hn * L), load(n))",
                "gru_reset(gate) * T(0) + load(gate + GruSlot::hn * L) + load(n)",
            ),
        },
    ),
    "kernels/rnn.h": (
        CELLS,
        {
            "the first vector alone": ("unit < width * L; unit += L", "unit < L; unit += L"),
            "gradient of another unit": (
                "load(s.h + row * s.state_row + unit), gradient",
                "load(s.h + row * s.state_row), gradient",
            ),
        },
    ),
    "kernels/step.h": (
        BITS,
        {
            "h is not added": (
                ".start = s.norm.gain ? Start::zero : Start::add",
                ".start = Start::zero",
            ),
            "the last panel is dropped": (
                "i < s.panel_end; ++i) f(s.desc",
                "i < s.panel_end - 1; ++i) f(s.desc",
            ),
            "no tail of d_y": ("load_first(d_y, static_cast<int>(left))", "Vec<T>{}"),
            "d_y is forgotten": ("if (!s.d_y) return from_next;", "if (s.d_y) return from_next;"),
            "d_h is not begun anew": (
                "const T* d_gates, Start start, T* d_h) {\n  if (rows > 0)",
                "const T* d_gates, Start start, T* d_h) {\n  if (rows > 1)",
            ),
        },
    ),
    "kernels/product.h": (
        BITS + " test_sizes.py test_guard_pages.py test_quantize.py",
        {
            "a row is skipped between tall tiles": (
                "row += height;",
                "row += height + (height > 5);",
            ),
            "the first row in all": (
                "left[r] = broadcast(a[r * a_row]);",
                "left[r] = broadcast(a[0]);",
            ),
            "the terms of a pair of bf16 are one": (
                "if constexpr (Mask) return (Vec<T>)(pairs & ~0xffff);",
                "if constexpr (Mask) return (Vec<T>)(pairs << 16);",
            ),
            "an odd k is dropped": (
                "if (kAtOnce == 2 && left > 0) multiply",
                "if (kAtOnce == 2 && left > 1) multiply",
            ),
        },
    ),
    "kernels/product_int8.h": (
        "test_quantize_int8.py",
        {
            "the last four k are dropped": ("k < whole; k += G", "k + G < whole; k += G"),
            "the scale of the first row for all": (
                "broadcast(read<float>(a + r * p.a_row + whole))",
                "broadcast(read<float>(a + whole))",
            ),
            "what is there is not added": ("if (p.start == Start::add) v =", "if (false) v ="),
            "the scale of the first column": (
                "b + panel * p.b_panel + j * L * G;",
                "b + panel * p.b_panel;",
            ),
        },
    ),
    "kernels/narrow.h": (
        "test_quantize_int8.py",
        {
            "rounded towards zero": (
                "(Ints)(x * factor + kRounds)",
                "__builtin_convertvector(x * factor, Ints)",
            ),
            "a NaN is a number": ("scale_of(largest) + nothing;", "scale_of(largest);"),
            "tiny rows have an infinite factor": (
                "largest < 0x1p-119f ? 0 : 127 / largest",
                "127 / largest",
            ),
            "128 steps": ("return largest / 127;", "return largest / 128;"),
        },
    ),
    "kernels/pack.h": (
        "test_quantize.py test_quantize_int8.py",
        {
            "bf16 takes the lower half": (
                "static_cast<std::uint32_t>(bits[i]) >> 16)",
                "static_cast<std::uint32_t>(bits[i]))",
            ),
            "groups of four backwards": (
                "to[(k - k % G) * row + k % G] = {number};",
                "to[(k - k % G) * row + G - 1 - k % G] = {number};",
            ),
            "the last weight is the largest": (
                "largest = size > largest ? size : largest;\n        }\n        const float scale",
                "largest = size;\n        }\n        const float scale",
            ),
        },
    ),
    "kernels/vec_int8.h": (
        "test_quantize_int8.py",
        {
            "x without a sign": (
                "sums_of_four(size, w ^ negative)",
                "sums_of_four(size, w)",
            ),
            "sums of two that saturate": (
                "size = (Ints)((x ^ below_zero) - below_zero);",
                "size = (Ints)x;",
            ),
        },
    ),
    "kernels/optimizers.h": (
        "test_optim.py test_torch_parity_optimizers.py",
        {
            "no dampening": (
                "load(s.momentum_buffer + i), undamped * g)",
                "load(s.momentum_buffer + i), g)",
            ),
            "nesterov without g": ("s.nesterov ? fma(momentum, buffer, g) : buffer", "buffer"),
            "v of g": ("fma(v_rate * g, g, beta2", "fma(v_rate, g, beta2"),
            "amsgrad of the least": (
                "v = at_least(part.load(s.v_max + i), v);",
                "v = at_most(part.load(s.v_max + i), v);",
            ),
            "eps inside the root": (
                "vsqrt(v) / root_correction + eps",
                "vsqrt(v + eps) / root_correction",
            ),
            "no weight decay": (
                "g = fma(weight_decay, p, part.load(s.g + i));\n    const Vec<T> m",
                "g = part.load(s.g + i);\n    const Vec<T> m",
            ),
            "centred below zero": (
                "at_least(broadcast(T(0)), fma(-grad_avg, grad_avg, square_avg))",
                "fma(-grad_avg, grad_avg, square_avg)",
            ),
        },
    ),
    "kernels/reduce.h": (
        "test_long_sums.py test_optim.py test_not_finite.py",
        {
            "what rounding lost is lost": ("total + lost : total", "total : total"),
            "the high half is dropped": (
                "fma(high, high, fma(low, low, sum))",
                "fma(low, low, sum)",
            ),
            "the last lane is not looked at": (
                "lane < kLanes<T>; ++lane) finite",
                "lane < kLanes<T> - 1; ++lane) finite",
            ),
        },
    ),
    "core/recurrent/batch.h": (
        BITS + " test_resets.py",
        {
            "reverse from the end of the array": (
                "return reverse_ ? batch_->length(row) - 1 - step : step;",
                "return reverse_ ? batch_->steps() - 1 - step : step;",
            ),
            "one row too many": (
                "return step < steps_ ? offset(step + 1) - offset(step) : 0;",
                "return step < steps_ ? rows_ : 0;",
            ),
            "own order is forgotten": (
                "bool own_order() const { return reverse_ && !batch_->uniform(); }",
                "bool own_order() const { return false; }",
            ),
            "the step after instead of before": (
                "return step == steps_.begin ? initial_row() : row(step - 1);",
                "return step == steps_.begin ? initial_row() : row(step);",
            ),
            "chunks in ascending order": (
                "for (Index first = (steps.end - 1) / chunk * chunk; first >= steps.begin; first -= chunk)",
                "for (Index first = steps.begin; first < steps.end; first += chunk)",
            ),
        },
    ),
    "core/recurrent/batch.cpp": (
        BITS + " test_resets.py",
        {
            "sorted from below": (
                "pieces[at(a)].length > pieces[at(b)].length",
                "pieces[at(a)].length < pieces[at(b)].length",
            ),
            "a row stops one step later": (".length <= t) --active;", ".length < t) --active;"),
            "full rows are ragged rows": (
                "[&](std::int64_t n) { return n == steps; }",
                "[&](std::int64_t n) { return n >= 0; }",
            ),
            "a reset begins one step later": ("start = t;\n", "start = t + 1;\n"),
            "packed rows of the next step": (
                "packed_row) - offset_.begin() - 1;",
                "packed_row) - offset_.begin();",
            ),
        },
    ),
    "core/recurrent/forward.cpp": (
        BITS + " test_stop.py test_direction.py",
        {
            "h0 of the first layer for all": (
                "const Index state = p.at.layer * shape_.directions + p.at.direction, P",
                "const Index state = p.at.direction, P",
            ),
            "no state of rows without steps": (
                "if (batch_.length(j) <= first) outputs_.store_state(p.at, j, h, c);",
                "",
            ),
            "nothing is carried": (
                "if (!saved_ && first > scope_.steps.begin) carry_state(me, p);",
                "",
            ),
            "c is not carried": ("if (shape_.has_c()) carry(p.buffers.c, width_.state);", ""),
            "no barrier before the products": (
                "outputs_.drop(me, layer);\n        me.meet();",
                "outputs_.drop(me, layer);",
            ),
            "rows are not sorted back": (
                "const Index from = state * batch_.rows() + batch_.state_row(j);",
                "const Index from = state * batch_.rows() + j;",
            ),
        },
    ),
    "core/recurrent/weight_gradients.cpp": (
        "test_backward.py test_exact_integers.py",
        {
            "the biases' gradients swapped": (
                "ones.w_hh = ones.w_hn = to.b_hh;",
                "ones.w_hh = ones.w_hn = to.b_ih;",
            ),
            "one member's share": (
                "share_of(w.map.panels(), rank, team.size())",
                "share_of(w.map.panels(), rank, team.size() + 1)",
            ),
        },
    ),
    "core/recurrent/state_options.h": (
        "test_cell_options.py test_cell_option_meaning.py test_cell_option_bits.py",
        {
            "zoneout the other way": (
                "return k * fresh + (T(1) - k) * previous;",
                "return k * previous + (T(1) - k) * fresh;",
            ),
            "inference drops": ("static_cast<T>(1 - p)", "static_cast<T>(1)"),
            "masks of the sorted rows": (
                "static_cast<std::uint32_t>(batch_.caller_row(j));",
                "static_cast<std::uint32_t>(j);",
            ),
            "one mask for both states": ("(2 * kind + at.direction) << 32", "(at.direction) << 32"),
            "zoneout passes all the gradient": (
                "d_fresh[i] = keep ? keep[i] * whole : whole;",
                "d_fresh[i] = whole;",
            ),
            "no gradient of h_in's mask": ("scale ? scale[i] * d_h_in[i] : d_h_in[i]", "d_h_in[i]"),
        },
    ),
    "core/operations/embedding.cpp": (
        "test_quantize.py test_quantize_int8.py test_quantize_files.py",
        {
            "the scale of the first word": ("* scale[id]; });", "* scale[0]; });"),
            "bf16 in the lower half": ("{number.bits} << 16", "{number.bits}"),
        },
    ),
    "core/operations/dropout.cpp": (
        "test_layers.py test_backward.py test_bits.py",
        {
            "not scaled": ("static_cast<T>(1 / (1 - draw.p)) : T(0)", "T(1) : T(0)"),
            "one mask for all rows": ("static_cast<std::uint32_t>(i % whole.rows)", "0u"),
            "one mask for all draws": (
                "mixed(mixed(draw.seed, draw.draw), draw.layer)",
                "mixed(mixed(draw.seed, 0), draw.layer)",
            ),
        },
    ),
}
