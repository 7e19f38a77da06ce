/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "collect.h"

#include "observe.h"
#include "sim/explore/reduce.h"
#include "sim/vm/request.h"

struct _Collect {
	GHashTable *seen; /* of Seen, by segment */
	M2dExWorld *world;
	M2dVm *vm;
	M2dObjects *objects;
	unsigned actor;
	unsigned depth;  /* frames on the actor's stack */
	Seen *stack[64]; /* segment under way of each frame; NULL: not resumed yet */
	Seen *now;
	uint8_t pcpu;                           /* of the actor at the beginning of the step */
	bool idle;                              /* it was, then */
	Seen *first;                            /* segment that the step began with */
	uint64_t read_objects, written_objects; /* as bits of footprints */
	/* Frames that changed hands in the step, and what they were. */
	struct {
		uint64_t frame;
		uint32_t classes;
	} moved[64];
	unsigned n_moved;
};

static Seen *seen(Collect *c, M2dSegment at)
{
	int64_t key = (int64_t)at.routine << 16 | at.kind << 8 | at.what;
	Seen *s = g_hash_table_lookup(c->seen, &key);

	if (s == NULL) {
		int64_t *k = g_new(int64_t, 1);

		*k = key;
		s = g_new0(Seen, 1);
		s->at = at;
		g_hash_table_insert(c->seen, k, s);
	}
	return s;
}

Collect *collect_new(void)
{
	Collect *c = g_new0(Collect, 1);

	c->seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
	return c;
}

void collect_free(Collect *c)
{
	g_hash_table_unref(c->seen);
	g_free(c);
}

static M2dTouch touch_of(const Collect *c, M2dObjAt what)
{
	uint32_t per = what.classes & ((1u << M2D_N_OBJ_PER) - 1);
	unsigned own = c->actor;

	if (what.classes & (1u << M2D_OBJ_HW | 1u << M2D_OBJ_ITEMS))
		own = c->pcpu;
	if (per == 0 || (c->actor < c->vm->n_vcpus && what.of == own))
		return what.classes;
	return (M2dTouch)what.classes << M2D_TOUCH_OTHER;
}

/* A frame that changes hands within the step is what it was and what it becomes. */
static void note_owner(Collect *c, uint64_t frame)
{
	for (unsigned i = 0; i < c->n_moved; i++)
		if (c->moved[i].frame == frame)
			return;
	if (c->n_moved == M2D_N_ELEMENTS(c->moved))
		return;
	c->moved[c->n_moved].frame = frame;
	c->moved[c->n_moved++].classes = m2d_objects_frame(c->objects, frame - 1);
}

static uint32_t was_before(const Collect *c, uint64_t frame)
{
	for (unsigned i = 0; i < c->n_moved; i++)
		if (c->moved[i].frame == frame)
			return c->moved[i].classes;
	return 0;
}

static void on_access(uint64_t off, uint64_t len, bool write, void *data)
{
	Collect *c = data;

	for (uint64_t i = 0; i < len; i++) {
		M2dObjAt what = m2d_objects_at(c->objects, off + i);
		uint64_t objects;
		M2dTouch touch;

		if (what.classes == 0) {
			if (what.of == c->actor || what.of == M2D_NO_ACTOR)
				continue;
			/* Others' programs are nobody's business, but that they have one is. */
			if (write || !what.idle)
				g_error("actor %u touches the task of %u", c->actor, what.of);
			what.classes = 1u << M2D_OBJ_BUSY;
		}
		if (write && what.owner != 0)
			note_owner(c, what.owner);
		if (what.frame != 0)
			what.classes |= was_before(c, what.frame);
		touch = touch_of(c, what);
		objects = m2d_footprints_objects(what.classes, what.of);
		if (write)
			c->written_objects |= objects;
		else
			c->read_objects |= objects;
		if (c->now != NULL) {
			if (write && c->now == c->first)
				c->now->began |= touch;
			if (write)
				c->now->write |= touch;
			else
				c->now->read |= touch;
		}
	}
}

/* What the driver looks at before is not the routine's. */
static void on_resumed(void *data)
{
	Collect *c = data;

	c->now = c->first;
}

static void on_pushed(unsigned routine, void *data)
{
	Collect *c = data;

	c->now->called[routine] = 1;
	c->stack[c->depth++] = c->now = seen(c, (M2dSegment){.routine = (uint16_t)routine});
	c->now->count++;
}

static void on_popped(unsigned routine, void *data)
{
	Collect *c = data;
	Seen *s;

	c->now->returns = true;
	c->depth--;
	if (c->depth == 0) {
		c->now = NULL;
		return;
	}
	/* The caller's own routine: whatever its segment was, another begins. */
	s = c->stack[c->depth - 1];
	s = seen(c, (M2dSegment){.routine = s->at.routine,
				 .kind = M2D_SEG_AFTER,
				 .what = (uint8_t)routine});
	s->count++;
	c->stack[c->depth - 1] = c->now = s;
}

void collect_begin_vm(Collect *c, M2dVm *vm, M2dCheck *check)
{
	c->world = NULL;
	c->vm = vm;
	c->objects = m2d_objects_new(vm, check);
	observe_frames(on_resumed, on_pushed, on_popped);
}

void collect_begin(Collect *c, M2dExWorld *world)
{
	uint64_t bytes;
	const void *progress = m2d_ex_world_progress(world, &bytes);

	collect_begin_vm(c, m2d_ex_world_vm(world), m2d_ex_world_check(world));
	c->world = world;
	m2d_objects_private(c->objects, progress, bytes, M2D_NO_ACTOR);
}

void collect_end(Collect *c)
{
	g_clear_pointer(&c->objects, m2d_objects_free);
}

static void read_stack(Collect *c, const M2dOp *next)
{
	M2dSegment seg;
	unsigned n = 0;

	while (m2d_segment(c->vm, c->actor, n, &seg))
		n++;
	c->depth = n;
	for (unsigned d = 0; d < n; d++) {
		m2d_segment(c->vm, c->actor, d, &seg);
		c->stack[n - 1 - d] = seen(c, seg);
	}
	if (n == 0) {
		seg = m2d_segment_start(c->vm, c->actor, next);
		c->stack[0] = seen(c, seg);
		c->depth = 1;
	}
	c->now = c->stack[c->depth - 1];
	c->now->count++;
}

static void begin(Collect *c, unsigned actor)
{
	c->actor = actor;
	c->pcpu = actor < c->vm->n_vcpus ? c->vm->vcpu[actor]->pcpu : 0;
	c->read_objects = c->written_objects = 0;
	c->n_moved = 0;
	if (observe_moved())
		m2d_objects_refresh(c->objects);
}

void collect_before(Collect *c, unsigned actor, const M2dOp *next)
{
	const M2dTask *t = c->vm->rt->task[actor];

	begin(c, actor);
	read_stack(c, next);
	c->first = c->now;
	c->now = NULL;
	/* Begun and not stepped yet counts as idle: it is all one step. */
	c->idle = t->sp == 0 || (c->depth == 1 && c->first->at.kind == M2D_SEG_START);
	observe(c->vm->arena, on_access, c);
}

void collect_after(Collect *c)
{
	observe(NULL, NULL, NULL);
	/* Others see that an operation has begun or ended. */
	if (c->idle) {
		c->first->write |= 1u << M2D_OBJ_BUSY;
		c->written_objects |= m2d_footprints_objects(1u << M2D_OBJ_BUSY, 0);
	}
	if (m2d_kvm_idle(c->vm, c->actor)) {
		c->stack[0]->write |= 1u << M2D_OBJ_BUSY;
		c->written_objects |= m2d_footprints_objects(1u << M2D_OBJ_BUSY, 0);
	}
}

void collect_step(Collect *c, unsigned actor)
{
	const M2dExModel *m = m2d_ex_world_model(c->world);

	collect_before(c, actor, m2d_ex_world_next(c->world, actor));
	m->step(m->data, actor, 0);
	collect_after(c);
}

unsigned collect_enabled(Collect *c, unsigned actor)
{
	const M2dExModel *m = m2d_ex_world_model(c->world);
	unsigned n;

	begin(c, actor);
	c->now = NULL;
	observe(m->arena, on_access, c);
	n = m->enabled(m->data, actor);
	observe(NULL, NULL, NULL);
	return n;
}

void collect_touched(const Collect *c, uint64_t *read, uint64_t *written)
{
	*read = c->read_objects;
	*written = c->written_objects;
}

static int cmp_seen(gconstpointer a, gconstpointer b)
{
	const M2dSegment *x = &((const Seen *)a)->at, *y = &((const Seen *)b)->at;
	int kx = x->routine << 16 | x->kind << 8 | x->what,
	    ky = y->routine << 16 | y->kind << 8 | y->what;

	return (kx > ky) - (kx < ky);
}

GArray *collect_rows(const Collect *c)
{
	GArray *rows = g_array_new(FALSE, FALSE, sizeof(Seen));
	GHashTableIter it;
	gpointer value;

	g_hash_table_iter_init(&it, c->seen);
	while (g_hash_table_iter_next(&it, NULL, &value))
		if (((Seen *)value)->count != 0)
			g_array_append_vals(rows, value, 1);
	g_array_sort(rows, cmp_seen);
	return rows;
}
