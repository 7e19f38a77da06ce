/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See optable.h. The choice is greedy: the entry that saves most bytes comes first. */
#include "sim/trace/optable.h"

#define MAX_CLASSES  4096u
#define EXACT_SLOTS  (1u << 16)
#define EXACT_PROBES 8u
#define MAX_EXACT    1024u /* candidates that are weighed against each other */
#define MIN_SAVING   48u   /* an entry itself takes 16 bytes, and codes get longer */

typedef struct {
	uint32_t key;
	uint32_t count;
	uint32_t hist[9]; /* references by width that have no exact entry */
	uint8_t op[9];    /* entry for each width; 0 is the escape */
} Class;

typedef struct {
	uint64_t distance;
	uint32_t count;
	uint16_t class_id; /* M2D_CLASS_NONE: free */
	uint8_t op;        /* 0: no entry was chosen */
} Exact;

struct _M2dOpTable {
	uint16_t id[1u << M2D_CLASS_KEY_BITS]; /* class of a key, plus 1 */
	Class class[MAX_CLASSES];
	unsigned n_classes;
	Exact exact[EXACT_SLOTS];
	uint32_t candidate[MAX_EXACT];
	unsigned n_candidates;
	M2dOpEntry entry[256];
	unsigned n;
};

M2dOpTable *m2d_op_table_new(void)
{
	M2dOpTable *t = g_new0(M2dOpTable, 1);

	m2d_op_table_reset(t);
	return t;
}

void m2d_op_table_free(M2dOpTable *t)
{
	g_free(t);
}

void m2d_op_table_reset(M2dOpTable *t)
{
	for (unsigned i = 0; i < t->n_classes; i++)
		t->id[t->class[i].key] = 0;
	t->n_classes = 0;
	for (unsigned i = 0; i < EXACT_SLOTS; i++)
		t->exact[i] = (Exact){.class_id = M2D_CLASS_NONE};
	t->n = 0;
}

static uint32_t exact_hash(uint16_t class_id, uint64_t distance)
{
	return (uint32_t)(((distance + class_id * UINT64_C(0x61c8864680b583eb)) *
			   UINT64_C(0x9e3779b97f4a7c15)) >>
			  48);
}

/* The slot of (class, distance); with @make a free one if there is none. NULL: none. */
static Exact *find_exact(const M2dOpTable *t, uint16_t class_id, uint64_t distance, bool make)
{
	uint32_t h = exact_hash(class_id, distance);

	for (unsigned i = 0; i < EXACT_PROBES; i++) {
		const Exact *e = &t->exact[(h + i) % EXACT_SLOTS];

		if (e->class_id == class_id && e->distance == distance)
			return (Exact *)e;
		if (e->class_id == M2D_CLASS_NONE)
			return make ? (Exact *)e : NULL;
	}
	return NULL;
}

uint16_t m2d_op_table_count(M2dOpTable *t, uint32_t key, uint64_t distance)
{
	uint16_t id = t->id[key];
	Class *c;
	Exact *e;

	if (id == 0) {
		if (t->n_classes == MAX_CLASSES)
			return M2D_CLASS_NONE;
		t->class[t->n_classes] = (Class){.key = key};
		id = t->id[key] = (uint16_t)++t->n_classes;
	}
	id--;
	c = &t->class[id];
	c->count++;
	c->hist[m2d_distance_width(distance)]++;
	e = find_exact(t, id, distance, true);
	if (e != NULL) {
		e->class_id = id;
		e->distance = distance;
		e->count++;
	}
	return id;
}

/* Bytes that a reference of class @c at a distance of @width bytes takes now, the op aside. */
static unsigned cost_now(const M2dOpTable *t, const Class *c, unsigned width)
{
	unsigned op = c->op[width];

	return op != 0 ? t->entry[op].width : 4 + width;
}

static uint64_t generic_saving(const M2dOpTable *t, const Class *c, unsigned width)
{
	uint64_t saved = 0;

	for (unsigned w = 1; w <= width; w++) {
		unsigned now = cost_now(t, c, w);

		if (now > width)
			saved += (uint64_t)c->hist[w] * (now - width);
	}
	return saved;
}

static uint64_t exact_saving(const M2dOpTable *t, const Exact *e)
{
	return (uint64_t)e->count *
	       cost_now(t, &t->class[e->class_id], m2d_distance_width(e->distance));
}

static unsigned add_entry(M2dOpTable *t, uint32_t key, unsigned width, uint64_t bias)
{
	unsigned n = t->n++;

	t->entry[n].key = key & 0x7f;
	t->entry[n].size = (uint8_t)(key >> 7);
	t->entry[n].base = key >> 15 & 0xf;
	t->entry[n].width = (uint8_t)width;
	t->entry[n].flags = key >> 19 & 1 ? M2D_OP_FRAME : 0;
	t->entry[n].bias = bias;
	return n;
}

static void add_generic(M2dOpTable *t, Class *c, unsigned width)
{
	/* The bytes count from the lowest distance of that width. */
	unsigned op = add_entry(t, c->key, width, 0 - (UINT64_C(1) << (8 * width - 1)));

	for (unsigned w = 1; w < M2D_N_ELEMENTS(c->op); w++)
		if (w <= width && cost_now(t, c, w) > width)
			c->op[w] = (uint8_t)op;
}

static int by_count(const void *pa, const void *pb, void *data)
{
	const M2dOpTable *t = data;
	const Exact *a = &t->exact[*(const uint32_t *)pa], *b = &t->exact[*(const uint32_t *)pb];

	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	return *(const uint32_t *)pa < *(const uint32_t *)pb ? -1 : 1;
}

static void collect_candidates(M2dOpTable *t)
{
	g_autofree uint32_t *all = g_new(uint32_t, EXACT_SLOTS);
	unsigned n = 0;

	for (uint32_t i = 0; i < EXACT_SLOTS; i++)
		if (t->exact[i].count * 12u >= MIN_SAVING)
			all[n++] = i;
	g_qsort_with_data(all, (gint)n, sizeof(*all), by_count, t);
	t->n_candidates = n < MAX_EXACT ? n : MAX_EXACT;
	memcpy(t->candidate, all, t->n_candidates * sizeof(*all));
}

void m2d_op_table_choose(M2dOpTable *t)
{
	t->n = 0;
	t->entry[t->n++] = (M2dOpEntry){.flags = M2D_OP_ESCAPE};
	collect_candidates(t);
	while (t->n < 256) {
		uint64_t best = MIN_SAVING - 1, saving;
		Class *best_class = NULL;
		Exact *best_exact = NULL;
		unsigned best_width = 0;

		for (unsigned i = 0; i < t->n_classes; i++) {
			Class *c = &t->class[i];

			for (unsigned w = 1; w <= 8; w++) {
				if ((uint64_t)c->count * 11 <= best)
					break;
				saving = generic_saving(t, c, w);
				if (saving > best) {
					best = saving;
					best_class = c;
					best_width = w;
				}
			}
		}
		for (unsigned i = 0; i < t->n_candidates; i++) {
			Exact *e = &t->exact[t->candidate[i]];

			/* By falling count: none of the rest can save more. */
			if ((uint64_t)e->count * 12 <= best)
				break;
			saving = e->op == 0 ? exact_saving(t, e) : 0;
			if (saving > best) {
				best = saving;
				best_exact = e;
			}
		}
		if (best_exact != NULL) {
			Class *c = &t->class[best_exact->class_id];

			best_exact->op = (uint8_t)add_entry(t, c->key, 0, best_exact->distance);
			c->hist[m2d_distance_width(best_exact->distance)] -= best_exact->count;
		} else if (best_class != NULL) {
			add_generic(t, best_class, best_width);
		} else {
			break;
		}
	}
}

void m2d_op_table_unchoose(M2dOpTable *t)
{
	for (unsigned i = 0; i < t->n_candidates; i++) {
		Exact *e = &t->exact[t->candidate[i]];

		if (e->op != 0)
			t->class[e->class_id].hist[m2d_distance_width(e->distance)] += e->count;
		e->op = 0;
	}
	for (unsigned i = 0; i < t->n_classes; i++)
		memset(t->class[i].op, 0, sizeof(t->class[i].op));
	t->n = 0;
}

unsigned m2d_op_table_op(const M2dOpTable *t, uint16_t class_id, uint64_t distance)
{
	const Exact *e;

	if (class_id == M2D_CLASS_NONE)
		return 0;
	e = find_exact(t, class_id, distance, false);
	if (e != NULL && e->op != 0)
		return e->op;
	return t->class[class_id].op[m2d_distance_width(distance)];
}

const M2dOpEntry *m2d_op_table_entries(const M2dOpTable *t, unsigned *n)
{
	*n = t->n;
	return t->entry;
}

uint32_t m2d_op_table_key(const M2dOpTable *t, uint16_t class_id)
{
	return t->class[class_id].key;
}
