/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The picture in a page that steps through the reads. Well-formed as XML too, so the script does
 * without the characters that XML claims. Without a script the whole walk and the list of all steps
 * are shown.
 */
#include "sim/report/walk-private.h"

#include "sim/report/report.h"

#define HEX "0x%" G_GINT64_MODIFIER "x"

static const char style[] =
	"body { margin: 0; background: #fff; color: #111;\n"
	"  font: clamp(16px, 1.5vw, 28px)/1.4 'DejaVu Sans', Verdana, Arial, sans-serif; }\n"
	"body.script { display: flex; flex-direction: column; height: 100vh; }\n"
	"main { padding: 8px 12px 0; }\n"
	"body.script main { flex: 1 1 auto; min-height: 0; }\n"
	"svg { display: block; width: 100%; }\n"
	"body.script svg { height: 100%; }\n"
	".step.later { opacity: 0.10; }\n"
	".edge.done { opacity: 0.35; }\n"
	"g.step.now rect.box { stroke-width: 7; }\n"
	"path.step.now { stroke: #C24A00; stroke-width: 5; }\n"
	"g.step[data-order] { cursor: pointer; }\n"
	"footer { display: none; border-top: 3px solid #0072B2; padding: 8px 16px 10px; }\n"
	"body.script footer { display: flex; gap: 18px; align-items: center; }\n"
	"body.script ol { display: none; }\n"
	"#say { flex: 1 1 auto; min-height: 4.2em; }\n"
	"#say b { font-size: 1.15em; }\n"
	"button, #keys { white-space: nowrap; }\n"
	"button { font: inherit; font-weight: bold; padding: 8px 18px; background: #fff;\n"
	"  color: #111; border: 3px solid #0072B2; border-radius: 8px; cursor: pointer; }\n"
	"button:hover { background: #DCEDF8; }\n"
	"button:focus-visible { outline: 4px solid #C24A00; }\n"
	"code { font-family: 'DejaVu Sans Mono', Menlo, Consolas, monospace; }\n"
	"#keys { color: #444; font-size: 16px; }\n"
	"@media print { body.script { display: block; height: auto; }\n"
	"  body.script footer { display: none; } body.script ol { display: block; }\n"
	"  .step.later, .edge.done { opacity: 1; } }\n";

/* Neither ampersand nor less-than below: the page is XML as well. */
static const char script[] =
	"(function () {\n"
	"  var steps = document.querySelectorAll('svg .step');\n"
	"  var items = document.querySelectorAll('ol li');\n"
	"  var say = document.getElementById('say');\n"
	"  var last = items.length;\n"
	"  var at = last;\n"
	"  function draw() {\n"
	"    var all = at === last;\n"
	"    steps.forEach(function (s) {\n"
	"      var order = Number(s.getAttribute('data-order'));\n"
	"      s.classList.toggle('now', !all ? order === at : false);\n"
	"      s.classList.toggle('later', !all ? order > at : false);\n"
	"      s.classList.toggle('done', !all ? at > order : false);\n"
	"    });\n"
	"    say.innerHTML = items[at === last ? 0 : at].innerHTML;\n"
	"  }\n"
	"  function go(n) { at = Math.max(1, Math.min(last, n)); draw(); }\n"
	"  function next() { go(at === last ? 1 : at + 1); }\n"
	"  function back() { go(at === 1 ? last : at - 1); }\n"
	"  function whole() { go(last); }\n"
	"  document.body.classList.add('script');\n"
	"  document.getElementById('next').addEventListener('click', next);\n"
	"  document.getElementById('back').addEventListener('click', back);\n"
	"  document.getElementById('all').addEventListener('click', whole);\n"
	"  steps.forEach(function (s) {\n"
	"    s.addEventListener('click', function () {\n"
	"      go(Number(s.getAttribute('data-order')));\n"
	"    });\n"
	"  });\n"
	"  document.addEventListener('keydown', function (e) {\n"
	"    if (e.ctrlKey || e.altKey || e.metaKey) { return; }\n"
	"    var k = e.key;\n"
	"    if (k === 'ArrowRight' || k === 'ArrowDown' || k === 'PageDown') { next(); }\n"
	"    else if (k === 'ArrowLeft' || k === 'ArrowUp' || k === 'PageUp') { back(); }\n"
	"    else if (k === 'Home') { go(1); }\n"
	"    else if (k === 'End' || k === 'Escape') { whole(); }\n"
	"    else if (k === ' ') {\n"
	"      if (document.activeElement.tagName === 'BUTTON') { return; }\n"
	"      next();\n"
	"    }\n"
	"    else { return; }\n"
	"    e.preventDefault();\n"
	"  });\n"
	"  draw();\n"
	"})();\n";

static void put_step(GString *s, const M2dWalkView *v, uint32_t i)
{
	const M2dFetch *f = &v->log.fetch[i];
	g_autofree char *name = m2d_walk_step_name(f), *flags = m2d_walk_flags(v, f);
	g_autofree char *text = m2d_walk_explain(v, i);

	g_string_append_printf(
		s, "<li><b>%u of %u: %s</b> reads <code>" HEX "</code> at <code>" HEX "</code>",
		i + 1, v->log.n, name, f->value, f->hpa);
	g_string_append_printf(s, " (%s) from %s, %u cycles.<br/>", flags,
			       m2d_walk_served(f->served_by),
			       v->latency[f->served_by < 5 ? f->served_by : 0]);
	m2d_walk_put_xml(s, text);
	g_string_append(s, "</li>\n");
}

/* The item shown for the whole walk; it opens the list. */
static void put_summary(GString *s, const M2dWalkView *v, const M2dGrid *g)
{
	g_autofree char *access = m2d_walk_access(v), *count = m2d_walk_count(v, g);
	g_autofree char *cost = m2d_walk_cost(v), *result = m2d_walk_result(v);

	g_string_append(s, "<li><b>");
	m2d_walk_put_xml(s, access);
	g_string_append(s, ": ");
	m2d_walk_put_xml(s, result);
	g_string_append(s, "</b><br/>");
	m2d_walk_put_xml(s, count);
	g_string_append(s, "; ");
	m2d_walk_put_xml(s, cost);
	g_string_append(s, "</li>\n");
}

/* The last item: where the walk ended. */
static void put_end(GString *s, const M2dWalkView *v)
{
	g_autofree char *result = m2d_walk_result(v), *detail = m2d_walk_detail(v);
	M2dFaultCode code;

	g_string_append(s, "<li><b>");
	m2d_walk_put_xml(s, result);
	g_string_append(s, "</b><br/>");
	m2d_walk_put_xml(s, detail);
	m2d_walk_fault_code(v, &code);
	for (guint i = 0; code.bits != NULL && i < code.bits->len; i++) {
		g_string_append(s, i == 0 ? "<br/><small>" : "; ");
		m2d_walk_put_xml(s, code.bits->pdata[i]);
	}
	if (code.bits != NULL) {
		g_string_append(s, "</small>");
		g_ptr_array_unref(code.bits);
	}
	g_string_append(s, "</li>\n");
}

char *m2d_walk_html(const M2dWalkView *v)
{
	GString *s =
		g_string_new("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
			     "<meta charset=\"utf-8\"/>\n"
			     "<meta name=\"viewport\" content=\"width=device-width\"/>\n<title>");
	g_autofree char *access = m2d_walk_access(v);
	M2dGrid g;

	m2d_walk_grid(v, &g);
	m2d_walk_put_xml(s, access);
	g_string_append_printf(s, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<main>\n<svg",
			       style);
	m2d_walk_svg_body(v, &g, false, s);
	g_string_append(s, "</main>\n<ol start=\"0\">\n");
	put_summary(s, v, &g);
	for (uint32_t i = 0; i < v->log.n; i++)
		put_step(s, v, i);
	put_end(s, v);
	g_string_append(s,
			"</ol>\n<footer>\n"
			"<button id=\"back\" title=\"left arrow\">&#9664; Back</button>\n"
			"<button id=\"next\" title=\"right arrow\">Next &#9654;</button>\n"
			"<button id=\"all\" title=\"End\">All</button>\n"
			"<div id=\"say\" aria-live=\"polite\"></div>\n"
			"<div id=\"keys\">&#8592; &#8594; step<br/>Home first<br/>End all</div>\n"
			"</footer>\n");
	g_string_append_printf(s, "<script>\n%s</script>\n</body>\n</html>\n", script);
	return g_string_free(s, FALSE);
}
