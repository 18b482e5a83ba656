/* Puts quanta, scales and offsets in panels. */
#include "stages.h"

#include <string.h>

typedef struct {
    const aq_matrix *m;
    const uint8_t *quanta;
    const char *scales, *offsets;
} pack_call;

static void put_scale(uint8_t *target, int lane, const char *source, int64_t index, int width, int exists) {
    if (exists) memcpy(target + lane * width, source + index * width, width);
    else memset(target + lane * width, 0, width);
}

static void pack_panel(const pack_call *c, int panel) {
    const aq_matrix *m = c->m;
    int groups = m->inputs / GROUP, width = m->wide_scales ? 4 : 2;
    int quanta_bytes = GROUP * PANEL * m->bits / 8, group_bytes = quanta_bytes + (m->zero < 0 ? 2 : 1) * PANEL * width;
    uint8_t *target = (uint8_t *)m->panels + (int64_t)panel * groups * group_bytes;
    for (int lane = 0; lane < PANEL; lane++) {
        int64_t row = (int64_t)panel * PANEL + lane;
        int exists = row < m->outputs;
        for (int g = 0; g < groups; g++) {
            uint8_t q[GROUP] = {0}, *group = target + (int64_t)g * group_bytes, *to = group + lane * 4;
            if (exists) memcpy(q, c->quanta + row * m->inputs + g * GROUP, GROUP);
            if (m->bits == 8) {
                for (int quad = 0; quad < 8; quad++) memcpy(to + quad * 64, q + quad * 4, 4);
            } else {
                for (int pair = 0; pair < 4; pair++)
                    for (int k = 0; k < 4; k++) to[pair * 64 + k] = q[pair * 8 + k] | q[pair * 8 + 4 + k] << 4;
            }
            put_scale(group + quanta_bytes, lane, c->scales, row * groups + g, width, exists);
            if (m->zero < 0)
                put_scale(group + quanta_bytes + PANEL * width, lane, c->offsets, row * groups + g, width, exists);
        }
    }
}

static void pack_task(void *argument, aq_member *member) {
    const pack_call *c = argument;
    aq_worker w = {member, 0, 0};
    AQ_FOR_EACH(&w, panel, (c->m->outputs + PANEL - 1) / PANEL, 4, { pack_panel(c, panel); });
}

/* Fills m->panels from quanta (outputs, inputs), one a byte, and scales and offsets (outputs, inputs / 32). */
void aq_pack(const aq_matrix *m, const uint8_t *quanta, const void *scales, const void *offsets) {
    pack_call call = {m, quanta, scales, offsets};
    aq_team_lock();
    aq_team_run(pack_task, &call);
    aq_team_unlock();
}
