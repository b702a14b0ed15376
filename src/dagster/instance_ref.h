/* dagster/instance_ref.h: the InstanceRef that code servers and runs are given. Pure.
 *
 * It is made of the agent's dagster.yaml as it stands (`{env: NAME}` is not resolved) and
 * of DAGSTER_HOME, byte for byte as the Python agent makes it, because it is compared and
 * hashed by its text. Two forms: the deployment ref, and the user-code ref, which leaves
 * out what older releases of dagster in user code would stumble over.
 */
#ifndef DG_DAGSTER_INSTANCE_REF_H
#define DG_DAGSTER_INSTANCE_REF_H

#include "base/err.h"
#include "base/str.h"

struct dg_instance_ref;

enum dg_ref_kind { DG_REF_DEPLOYMENT, DG_REF_USER_CODE };

/* YAML: the text of dagster.yaml. HOME: DAGSTER_HOME as the Python agent has it
 * (absolute, without a slash at its end). TOKEN_ENV: the variable that code servers find
 * the token in (daglet's own token_file), or NULL to leave agent_token as it is.
 * -DG_CONFIG when the file cannot be read so far. */
int dg_instance_ref_new(struct dg_instance_ref **ret, struct dg_str yaml,
	const char *home, const char *token_env, struct dg_err *e);
void dg_instance_ref_free(struct dg_instance_ref *r);

/* Append the ref of DEPLOYMENT as JSON text. */
int dg_instance_ref_text(const struct dg_instance_ref *r, enum dg_ref_kind kind,
	const char *deployment, struct dg_buf *out, struct dg_err *e);

#endif
