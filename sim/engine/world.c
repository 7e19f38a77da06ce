/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sim/engine/world.h"

#include "sim/engine/routine.h"

typedef struct {
	M2dVcpu *vcpu;
	void (*free_vcpu)(M2dVcpu *);
} M2dVcpuSlot;

struct _M2dWorld {
	M2dMachine *machine;
	M2dArena *arena;
	M2dSpace *space;
	GArray *vcpus; /* of M2dVcpuSlot */
	M2dEvents events;
	M2dRuntime runtime;
};

#define MIN_RESERVE (UINT64_C(1) << 30)

/* The default is generous, so a system that limits address space gets less of it. */
static M2dArena *reserve_default(GError **error)
{
	M2dArena *arena = NULL;

	for (uint64_t n = M2D_WORLD_DEFAULT_RESERVE; n >= MIN_RESERVE && arena == NULL; n /= 2) {
		g_clear_error(error);
		arena = m2d_arena_new(n, error);
	}
	return arena;
}

M2dWorld *m2d_world_new(M2dMachine *machine, uint64_t reserve, GError **error)
{
	M2dWorld *world;
	M2dArena *arena;

	arena = reserve != 0 ? m2d_arena_new(reserve, error) : reserve_default(error);
	if (arena == NULL) {
		m2d_machine_free(machine);
		return NULL;
	}
	/* Offset 0 stays unused, so that it can mean "none". */
	m2d_arena_alloc(arena, 64, 64);
	world = g_new0(M2dWorld, 1);
	world->machine = machine;
	world->arena = arena;
	world->space = m2d_space_new(arena);
	world->vcpus = g_array_new(FALSE, FALSE, sizeof(M2dVcpuSlot));
	m2d_events_init(&world->events);
	m2d_rt_init(&world->runtime, arena, &world->events, NULL, 0);
	return world;
}

void m2d_world_free(M2dWorld *world)
{
	if (world == NULL)
		return;
	for (guint i = 0; i < world->vcpus->len; i++) {
		M2dVcpuSlot *s = &g_array_index(world->vcpus, M2dVcpuSlot, i);

		s->free_vcpu(s->vcpu);
	}
	g_array_unref(world->vcpus);
	m2d_space_free(world->space);
	m2d_arena_free(world->arena);
	m2d_machine_free(world->machine);
	g_free(world);
}

M2dArena *m2d_world_arena(const M2dWorld *world)
{
	return world->arena;
}

M2dSpace *m2d_world_space(const M2dWorld *world)
{
	return world->space;
}

const M2dMachine *m2d_world_machine(const M2dWorld *world)
{
	return world->machine;
}

M2dEvents *m2d_world_events(M2dWorld *world)
{
	return &world->events;
}

M2dRuntime *m2d_world_runtime(M2dWorld *world)
{
	return &world->runtime;
}

unsigned m2d_world_n_vcpus(const M2dWorld *world)
{
	return world->vcpus->len;
}

M2dVcpu *m2d_world_vcpu(const M2dWorld *world, unsigned id)
{
	g_assert(id < world->vcpus->len);
	return g_array_index(world->vcpus, M2dVcpuSlot, id).vcpu;
}

unsigned m2d_world_adopt_vcpu(M2dWorld *world, M2dVcpu *vcpu, void (*free_vcpu)(M2dVcpu *))
{
	M2dVcpuSlot s = {vcpu, free_vcpu};

	g_array_append_val(world->vcpus, s);
	return world->vcpus->len - 1;
}
