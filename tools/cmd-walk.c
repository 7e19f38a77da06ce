/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `mmu2d walk --gva X`: one translation step by step, as text, JSON, SVG or a page to project. */
#include "tools/cmd.h"

#include <stdio.h>
#include <string.h>

#include "sim/base/error.h"
#include "sim/replay/onewalk.h"
#include "sim/report/walk.h"
#include "sim/base/outfile.h"

static struct {
	char *gva, *machine, *guest, *nested, *guest_page, *nested_page, *trace, *at, *svg, *html,
		*vcpu;
	char **set, **warm, **before, **edit;
	gint nested_levels;
	gboolean write, fetch, user, caches, tlb_miss, untouched, json, quiet;
} o;

static const GOptionEntry entries[] = {
	{"gva", 0, 0, G_OPTION_ARG_STRING, &o.gva, "Linear address to translate", "ADDRESS"},
	{"write", 'w', 0, G_OPTION_ARG_NONE, &o.write, "A write instead of a read", NULL},
	{"fetch", 'x', 0, G_OPTION_ARG_NONE, &o.fetch, "An instruction fetch instead of a read",
	 NULL},
	{"user", 'u', 0, G_OPTION_ARG_NONE, &o.user, "At CPL 3 instead of as supervisor", NULL},
	{"machine", 'm', 0, G_OPTION_ARG_STRING, &o.machine,
	 "Geometry and costs: a name of `mmu2d machines` or a file (generic)", "NAME|FILE"},
	{"set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.set,
	 "Replace one figure of the machine, or guest.KEY or host.KEY of the model", "KEY=VALUE"},
	{"guest", 'g', 0, G_OPTION_ARG_STRING, &o.guest, "Guest paging: 4, 5, pae or 32 (4)",
	 "MODE"},
	{"nested", 'n', 0, G_OPTION_ARG_STRING, &o.nested,
	 "Second dimension: none, npt or ept (that of the machine's vendor)", "KIND"},
	{"nested-levels", 0, 0, G_OPTION_ARG_INT, &o.nested_levels, "4 or 5 (4)", "N"},
	{"guest-page", 0, 0, G_OPTION_ARG_STRING, &o.guest_page, "4k, 2m, 1g or 4m (4k)", "SIZE"},
	{"nested-page", 0, 0, G_OPTION_ARG_STRING, &o.nested_page, "4k, 2m or 1g (4k)", "SIZE"},
	{"caches", 0, 0, G_OPTION_ARG_NONE, &o.caches,
	 "All caches take part; without it and --warm none does", NULL},
	{"warm", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.warm,
	 "These caches take part, filled by the same access before: psc, npsc, ntlb, tlb, data, "
	 "all, or single levels (pde, npdpte, ...)",
	 "LIST"},
	{"before", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.before,
	 "Read this address first; implies --caches", "ADDRESS"},
	{"tlb-miss", 0, 0, G_OPTION_ARG_NONE, &o.tlb_miss,
	 "Drop the page's translation from the TLB first", NULL},
	{"untouched", 0, 0, G_OPTION_ARG_NONE, &o.untouched,
	 "Nobody used the page before: A and D are clear", NULL},
	{"edit", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o.edit,
	 "Change an entry first: gL1:-W, nL2@gL3:-P, nL1@final:+NX, gL2:=VALUE", "ENTRY:CHANGE"},
	{"trace", 't', 0, G_OPTION_ARG_FILENAME, &o.trace,
	 "Walk in this trace's tables instead of a small guest's", "FILE"},
	{"at", 0, 0, G_OPTION_ARG_STRING, &o.at, "Replay up to this reference and walk for it",
	 "REF"},
	{"vcpu", 0, 0, G_OPTION_ARG_STRING, &o.vcpu, "With --gva: on this vCPU of the trace", "N"},
	{"json", 0, 0, G_OPTION_ARG_NONE, &o.json, "One JSON document instead of text", NULL},
	{"svg", 0, 0, G_OPTION_ARG_FILENAME, &o.svg, "Write a picture too; - is stdout", "FILE"},
	{"html", 0, 0, G_OPTION_ARG_FILENAME, &o.html,
	 "Write a page that steps through the walk too; - is stdout", "FILE"},
	{"quiet", 'q', 0, G_OPTION_ARG_NONE, &o.quiet, "No progress", NULL},
	{NULL}};

static bool parse_number(const char *option, const char *text, uint64_t *value, GError **error)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');

	if (g_ascii_string_to_unsigned(text + (hex ? 2 : 0), hex ? 16 : 10, 0, UINT64_MAX, value,
				       NULL))
		return true;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
		    "--%s=%s: expected a number of 64 bits, decimal or with 0x", option, text);
	return false;
}

/* Index of @text in @names (NULL: 0), or -1 with @error. */
static int choose(const char *option, const char *text, const char *const *names, GError **error)
{
	g_autofree char *all = g_strjoinv(", ", (char **)names);
	int i = text != NULL ? m2d_cmd_choice(text, names) : 0;

	if (i >= 0)
		return i;
	g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT, "--%s=%s: expected one of %s", option, text,
		    all);
	return -1;
}

/* Paging modes and page sizes. */
static bool configure_tables(M2dOneWalkOptions *opt, M2dVendor vendor, GError **error)
{
	static const char *const guests[] = {"4", "5", "pae", "32", NULL};
	static const char *const kinds[] = {"default", "none", "npt", "ept", NULL};
	static const char *const sizes[] = {"4k", "2m", "1g", "4m", NULL};
	static const char *const nested_sizes[] = {"4k", "2m", "1g", NULL};
	int guest = choose("guest", o.guest, guests, error);
	int kind = guest >= 0 ? choose("nested", o.nested, kinds, error) : -1;
	int page = kind >= 0 ? choose("guest-page", o.guest_page, sizes, error) : -1;
	int nested_page =
		page >= 0 ? choose("nested-page", o.nested_page, nested_sizes, error) : -1;

	if (nested_page < 0)
		return false;
	/* M2D_GUESTOS_* and M2D_NESTED_* have the order of the names. */
	opt->guest.paging = (unsigned)guest;
	opt->nested = kind != 0                  ? (M2dNestedKind)(kind - 1)
		      : vendor == M2D_VENDOR_AMD ? M2D_NESTED_NPT
						 : M2D_NESTED_EPT;
	if ((opt->nested == M2D_NESTED_NPT && vendor != M2D_VENDOR_AMD) ||
	    (opt->nested == M2D_NESTED_EPT && vendor != M2D_VENDOR_INTEL)) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "--nested=%s: the machine's vendor has the other kind; see 'mmu2d "
			    "machines'",
			    kinds[kind]);
		return false;
	}
	opt->guest_4m = page == 3;
	if (opt->guest_4m != (guest == 3 && page != 0)) {
		g_set_error(
			error, M2D_ERROR, M2D_ERROR_INPUT,
			"--guest-page=%s: 32-bit paging has pages of 4k and 4m, the others have "
			"4k, 2m and 1g",
			o.guest_page);
		return false;
	}
	if (page == 1 || page == 2)
		*(page == 1 ? &opt->guest.share_2m : &opt->guest.share_1g) = 1;
	if (nested_page != 0)
		*(nested_page == 1 ? &opt->host.share_2m : &opt->host.share_1g) = 1;
	if (o.nested_levels != 0 && o.nested_levels != 4 && o.nested_levels != 5) {
		g_set_error(error, M2D_ERROR, M2D_ERROR_INPUT,
			    "--nested-levels=%d: expected 4 or 5", o.nested_levels);
		return false;
	}
	if (o.nested_levels != 0)
		opt->host.levels = (uint64_t)o.nested_levels;
	return true;
}

/* Options that contradict each other; NULL if none do. */
static const char *conflict(void)
{
	bool model_only = o.guest != NULL || o.nested != NULL || o.nested_levels != 0 ||
			  o.guest_page != NULL || o.nested_page != NULL || o.untouched ||
			  o.before != NULL;

	if (o.trace == NULL && o.gva == NULL)
		return "expected --gva ADDRESS, or --trace FILE and --at REF";
	if (o.trace == NULL && (o.at != NULL || o.vcpu != NULL))
		return "--at and --vcpu need --trace";
	if (o.trace != NULL && o.at == NULL)
		return "--trace needs --at REF, the reference to walk for";
	if (o.trace != NULL && model_only)
		return "with --trace the tables are the trace's: no --guest, --nested, "
		       "--nested-levels, --guest-page, --nested-page, --untouched or --before";
	if (o.gva == NULL && (o.write || o.fetch || o.user || o.vcpu != NULL))
		return "--write, --fetch, --user and --vcpu need --gva: else the reference tells";
	if (o.write && o.fetch)
		return "--write and --fetch exclude each other";
	if (o.warm != NULL && (o.caches || o.before != NULL))
		return "--warm names the caches that take part; --caches and --before take all";
	if (o.svg != NULL && o.html != NULL && strcmp(o.svg, "-") == 0 && strcmp(o.html, "-") == 0)
		return "--svg - and --html - would both go to standard output";
	if (o.json && (g_strcmp0(o.svg, "-") == 0 || g_strcmp0(o.html, "-") == 0))
		return "--json and a picture would both go to standard output";
	return NULL;
}

static bool apply_setting(const char *s, M2dMachine *machine, M2dOneWalkOptions *opt,
			  GError **error)
{
	if (g_str_has_prefix(s, "guest."))
		return m2d_guestos_config_set(&opt->guest, s, error);
	if (g_str_has_prefix(s, "host."))
		return m2d_hostmap_config_set(&opt->host, s, error);
	return m2d_machine_set(machine, s, error);
}

static bool configure(M2dOneWalkOptions *opt, M2dMachine *machine, GArray *before, GError **error)
{
	M2dWalkEdit edit;

	opt->access.kind = o.write ? M2D_ACC_WRITE : o.fetch ? M2D_ACC_FETCH : M2D_ACC_READ;
	opt->access.user = o.user;
	opt->has_gva = o.gva != NULL;
	opt->caches = o.caches || o.before != NULL;
	opt->tlb_miss = o.tlb_miss;
	opt->untouched = o.untouched;
	opt->edits = o.edit;
	if (o.gva != NULL && !parse_number("gva", o.gva, &opt->access.gva.v, error))
		return false;
	if (!configure_tables(opt, machine->vendor, error))
		return false;
	for (char **s = o.set; s != NULL && *s != NULL; s++)
		if (!apply_setting(*s, machine, opt, error))
			return false;
	if (!m2d_machine_check(machine, error))
		return false;
	for (char **w = o.warm; w != NULL && *w != NULL; w++) {
		if (!m2d_onewalk_warm_parse(*w, &opt->warm, error)) {
			g_prefix_error(error, "--warm: ");
			return false;
		}
	}
	for (char **b = o.before; b != NULL && *b != NULL; b++) {
		uint64_t gva;

		if (!parse_number("before", *b, &gva, error))
			return false;
		g_array_append_val(before, gva);
	}
	opt->before = (const uint64_t *)(void *)before->data;
	opt->n_before = before->len;
	/* The names of flags depend on the tables, which a trace brings: checked there. */
	for (char **e = o.edit; o.trace == NULL && e != NULL && *e != NULL; e++)
		if (!m2d_onewalk_edit_parse(*e, opt->nested, &edit, error))
			return false;
	return true;
}

static bool on_progress(uint64_t refs, uint64_t bytes, uint64_t total, void *data)
{
	m2d_progress_update(data, bytes);
	return !m2d_interrupted();
}

static M2dWalkView *walk_trace(M2dMachine *machine, const M2dOneWalkOptions *opt, GError **error)
{
	g_autoptr(M2dTraceReader) reader = NULL;
	M2dProgress *progress;
	M2dWalkView *view;
	uint64_t at, vcpu = 0, total = 0;

	if (!parse_number("at", o.at, &at, error) ||
	    (o.vcpu != NULL && !parse_number("vcpu", o.vcpu, &vcpu, error)) ||
	    (reader = m2d_trace_reader_open(o.trace, 0, error)) == NULL) {
		m2d_machine_free(machine);
		return NULL;
	}
	m2d_trace_reader_bytes(reader, &total);
	progress = m2d_progress_new("walk", "bytes", total, o.quiet);
	view = m2d_onewalk_trace(machine, reader, o.trace, at,
				 o.vcpu != NULL ? (int)MIN(vcpu, M2D_TRACE_MAX_VCPUS) : -1, opt,
				 on_progress, progress, error);
	m2d_progress_free(progress);
	return view;
}

/* Write @text (freed) to @path. */
static bool save(const char *path, char *text, GError **error)
{
	g_autofree char *owned = text;
	M2dOutFile *f = m2d_out_file_new(path, error);

	if (f == NULL)
		return false;
	if (m2d_out_file_write(f, owned, strlen(owned), error))
		return m2d_out_file_commit(f, error);
	m2d_out_file_abort(f);
	return false;
}

static int show(const M2dWalkView *view)
{
	bool to_stdout = g_strcmp0(o.svg, "-") == 0 || g_strcmp0(o.html, "-") == 0;
	GError *error = NULL;

	if ((o.svg != NULL && !save(o.svg, m2d_walk_svg(view), &error)) ||
	    (o.html != NULL && !save(o.html, m2d_walk_html(view), &error)))
		return m2d_cmd_fail(&m2d_cmd_walk, error);
	if (!to_stdout) {
		g_autofree char *text = o.json ? m2d_walk_json(view) : m2d_walk_text(view);

		fputs(text, stdout);
	}
	return m2d_cmd_finish_stdout(&m2d_cmd_walk);
}

static int run(int argc, char **argv)
{
	g_autoptr(GArray) before = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	g_autoptr(M2dMachine) machine = NULL;
	g_autoptr(M2dWalkView) view = NULL;
	M2dOneWalkOptions opt;
	GError *error = NULL;
	int status = 0;

	if (!m2d_cmd_parse(
		    &m2d_cmd_walk, "--gva ADDRESS [OPTION...] | --trace FILE --at REF [OPTION...]",
		    "Show one translation step by step: columns are levels of the guest's tables,\n"
		    "rows levels of the nested ones. Without options no cache takes part: the\n"
		    "textbook walk, 24 entries for four levels on four.\n\n"
		    "Examples:\n"
		    "  mmu2d walk --gva 0x7f1234567890 --html walk.html\n"
		    "  mmu2d walk --gva 0x7f1234567890 --machine zen3 --warm psc,ntlb\n"
		    "  mmu2d walk --gva 0x1000 --write --edit nL1@final:-W\n"
		    "  mmu2d walk --trace traces/s-linux-tdp-u.m2t --at 300000",
		    &argc, &argv, &status))
		return status;
	if (argc != 1)
		return m2d_cmd_usage(&m2d_cmd_walk, "'%s': expected options only", argv[1]);
	if (conflict() != NULL)
		return m2d_cmd_usage(&m2d_cmd_walk, "%s", conflict());
	machine = m2d_machine_load(o.machine != NULL ? o.machine : "generic", &error);
	if (machine == NULL)
		return m2d_cmd_fail(&m2d_cmd_walk, error);
	m2d_onewalk_options_init(&opt);
	if (!configure(&opt, machine, before, &error))
		return m2d_cmd_fail(&m2d_cmd_walk, error);
	view = o.trace != NULL ? walk_trace(g_steal_pointer(&machine), &opt, &error)
			       : m2d_onewalk_model(g_steal_pointer(&machine), &opt, &error);
	if (view == NULL)
		return m2d_cmd_fail(&m2d_cmd_walk, error);
	return show(view);
}

const M2dCommand m2d_cmd_walk = {"walk", run, "show one translation step by step", entries};
