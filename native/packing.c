/* Puts quanta, scales and offsets in panels. */
#include "stages.h"

#include <string.h>

typedef struct {
    const aq_matrix *m;
    const uint8_t *quanta;
    const char *scales, *offsets;
} pack_call;

static void pack_scales(const aq_matrix *m, int panel, const char *source, char *target) {
    int groups = m->inputs / GROUP, width = m->wide_scales ? 4 : 2;
    for (int lane = 0; lane < PANEL; lane++) {
        int64_t row = (int64_t)panel * PANEL + lane;
        for (int g = 0; g < groups; g++) {
            char *to = target + ((int64_t)g * PANEL + lane) * width;
            if (row < m->outputs) memcpy(to, source + (row * groups + g) * width, width);
            else memset(to, 0, width);
        }
    }
}

static void pack_panel(const pack_call *c, int panel) {
    const aq_matrix *m = c->m;
    int groups = m->inputs / GROUP, group_bytes = GROUP * PANEL * m->bits / 8, width = m->wide_scales ? 4 : 2;
    uint8_t *target = (uint8_t *)m->panels + (int64_t)panel * m->panel_bytes;
    for (int lane = 0; lane < PANEL; lane++) {
        int64_t row = (int64_t)panel * PANEL + lane;
        for (int g = 0; g < groups; g++) {
            uint8_t q[GROUP] = {0};
            if (row < m->outputs) memcpy(q, c->quanta + row * m->inputs + g * GROUP, GROUP);
            uint8_t *to = target + (int64_t)g * group_bytes + lane * 4;
            if (m->bits == 8) {
                for (int quad = 0; quad < 8; quad++) memcpy(to + quad * 64, q + quad * 4, 4);
            } else {
                for (int pair = 0; pair < 4; pair++)
                    for (int k = 0; k < 4; k++) to[pair * 64 + k] = q[pair * 8 + k] | q[pair * 8 + 4 + k] << 4;
            }
        }
    }
    char *scales = (char *)target + (int64_t)groups * group_bytes;
    pack_scales(m, panel, c->scales, scales);
    if (m->zero < 0) pack_scales(m, panel, c->offsets, scales + (int64_t)groups * PANEL * width);
}

static void pack_task(void *argument, aq_member *member) {
    const pack_call *c = argument;
    aq_worker w = {member, 0, 0};
    AQ_FOR_EACH(&w, panel, (c->m->outputs + PANEL - 1) / PANEL, 4, { pack_panel(c, panel); });
}

/* Fills m->panels from quanta (outputs, inputs), one a byte, and scales and offsets (outputs, inputs / 32). */
void aq_pack(const aq_matrix *m, const uint8_t *quanta, const void *scales, const void *offsets) {
    pack_call call = {m, quanta, scales, offsets};
    aq_team_run(pack_task, &call);
}
