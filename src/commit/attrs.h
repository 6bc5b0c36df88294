/* attrs.h - extended attributes in words. */
#ifndef COWBOX_COMMIT_ATTRS_H
#define COWBOX_COMMIT_ATTRS_H

#include <sys/types.h>

/* What the attribute is called to people: "access ACL", "capabilities", or its own name, printable. size: of ret. */
char *attr_name(const char *name, char *ret, size_t size);
/* Its value on one line of printable text: an ACL as getfacl -c has it, with commas and ids as numbers; capabilities as getcap has them; else text in
 * quotes, or 0x and hexadecimal digits, cut where it is long. n: bytes; negative: "none". NULL: no memory. To be freed. */
char *attr_value(const char *name, const void *value, ssize_t n);

#endif
