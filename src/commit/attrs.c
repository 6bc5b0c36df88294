/* attrs.c - extended attributes in words. The values come from the box: nothing in them is believed. */
#include "attrs.h"

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/capability.h>
#include <linux/limits.h>

#include "base/path.h"

#define SHOWN_MAX 256 /* bytes of a value that are shown */

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"
#define CAPABILITY "security.capability"

char *attr_name(const char *name, char *ret, size_t size)
{
	char text[4 * XATTR_NAME_MAX + 1];

	if (strcmp(name, ACL_ACCESS) == 0)
		snprintf(ret, size, "access ACL");
	else if (strcmp(name, ACL_DEFAULT) == 0)
		snprintf(ret, size, "default ACL");
	else if (strcmp(name, CAPABILITY) == 0)
		snprintf(ret, size, "capabilities");
	else
		snprintf(ret, size, "attribute %s", path_printable(name, text, sizeof text));
	return ret;
}

static uint32_t word(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof v);
	return le32toh(v);
}

/* ---- ACLs: a version, then entries of tag, permissions and id (linux/posix_acl_xattr.h) ---- */

enum { ACL_VERSION = 2, ACL_HEAD = 4, ACL_ENTRY = 8, ACL_USER = 2, ACL_GROUP = 8 };

static const char *acl_tag(unsigned tag)
{
	switch (tag) {
	case 1:
	case ACL_USER:
		return "user";
	case 4:
	case ACL_GROUP:
		return "group";
	case 0x10:
		return "mask";
	case 0x20:
		return "other";
	}
	return NULL;
}

static bool write_acl(FILE *out, const unsigned char *p, size_t n)
{
	if (n < ACL_HEAD || (n - ACL_HEAD) % ACL_ENTRY || word(p) != ACL_VERSION)
		return false;
	for (size_t at = ACL_HEAD; at < n; at += ACL_ENTRY) {
		unsigned tag = word(p + at) & 0xffff, perm = word(p + at) >> 16;
		const char *what = acl_tag(tag);

		if (!what)
			return false;
		fprintf(out, "%s%s:", at > ACL_HEAD ? "," : "", what);
		if (tag == ACL_USER || tag == ACL_GROUP)
			fprintf(out, "%u", word(p + at + 4));
		fprintf(out, ":%c%c%c", perm & 4 ? 'r' : '-', perm & 2 ? 'w' : '-', perm & 1 ? 'x' : '-');
	}
	return true;
}

/* ---- capabilities ---- */

static const char *const cap_names[] = {
	"chown",
	"dac_override",
	"dac_read_search",
	"fowner",
	"fsetid",
	"kill",
	"setgid",
	"setuid",
	"setpcap",
	"linux_immutable",
	"net_bind_service",
	"net_broadcast",
	"net_admin",
	"net_raw",
	"ipc_lock",
	"ipc_owner",
	"sys_module",
	"sys_rawio",
	"sys_chroot",
	"sys_ptrace",
	"sys_pacct",
	"sys_admin",
	"sys_boot",
	"sys_nice",
	"sys_resource",
	"sys_time",
	"sys_tty_config",
	"mknod",
	"lease",
	"audit_write",
	"audit_control",
	"setfcap",
	"mac_override",
	"mac_admin",
	"syslog",
	"wake_alarm",
	"block_suspend",
	"audit_read",
	"perfmon",
	"bpf",
	"checkpoint_restore",
};

static void write_set(FILE *out, const char *name, uint64_t set)
{
	const char *sep = "";

	fprintf(out, " %s=", name);
	for (unsigned i = 0; i < 64; i++) {
		if (!(set >> i & 1))
			continue;
		if (i < sizeof cap_names / sizeof *cap_names)
			fprintf(out, "%scap_%s", sep, cap_names[i]);
		else
			fprintf(out, "%scap_%u", sep, i);
		sep = ",";
	}
}

static bool write_caps(FILE *out, const unsigned char *p, size_t n)
{
	uint32_t magic = n >= XATTR_CAPS_SZ_2 ? word(p) : 0, revision = magic & VFS_CAP_REVISION_MASK;

	if (!(revision == VFS_CAP_REVISION_2 && n == XATTR_CAPS_SZ_2) && !(revision == VFS_CAP_REVISION_3 && n == XATTR_CAPS_SZ_3))
		return false;
	fprintf(out, "%s", magic & VFS_CAP_FLAGS_EFFECTIVE ? "effective" : "not effective");
	write_set(out, "permitted", word(p + 4) | (uint64_t)word(p + 12) << 32);
	write_set(out, "inheritable", word(p + 8) | (uint64_t)word(p + 16) << 32);
	if (revision == VFS_CAP_REVISION_3)
		fprintf(out, " root=%u", word(p + 20));
	return true;
}

/* ---- the others ---- */

static void write_plain(FILE *out, const char *name, const unsigned char *p, size_t n)
{
	size_t shown = n < SHOWN_MAX ? n : SHOWN_MAX;
	bool text = strncmp(name, "user.", 5) == 0;

	for (size_t i = 0; i < n && text; i++)
		text = p[i] >= 0x20 && p[i] < 0x7f;
	fputs(text ? "\"" : "0x", out);
	for (size_t i = 0; i < shown; i++) {
		if (text && (p[i] == '"' || p[i] == '\\'))
			fputc('\\', out);
		fprintf(out, text ? "%c" : "%02x", p[i]);
	}
	if (text)
		fputc('"', out);
	if (shown < n)
		fprintf(out, "... (%zu bytes)", n);
}

static bool write_known(FILE *out, const char *name, const void *value, size_t n)
{
	if (strcmp(name, ACL_ACCESS) == 0 || strcmp(name, ACL_DEFAULT) == 0)
		return write_acl(out, value, n);
	return strcmp(name, CAPABILITY) == 0 && write_caps(out, value, n);
}

char *attr_value(const char *name, const void *value, ssize_t n)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (n < 0) {
		fputs("none", out);
	} else if (!write_known(out, name, value, (size_t)n)) {
		rewind(out);
		write_plain(out, name, value, (size_t)n);
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
