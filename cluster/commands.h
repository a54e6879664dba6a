/* SPDX-License-Identifier: MIT */
/* commands.h - one function per command; each fills cmd->out completely and releases everything else. */
#ifndef CLUSTER_COMMANDS_H
#define CLUSTER_COMMANDS_H

#include "cluster/report.h"

void command_validate(struct command *cmd);
void command_plan(struct command *cmd);
void command_apply(struct command *cmd);
void command_approve(struct command *cmd);
void command_status(struct command *cmd);
void command_refresh(struct command *cmd, bool import);
void command_force_unlock(struct command *cmd);

#endif
