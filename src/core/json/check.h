/* Streaming JSON validator: no allocation, any cut of the input, UTF-8 checked. It runs over every invocation's payload.
 *
 *   struct json_check c;
 *   json_check_init(&c);
 *   json_check_feed(&c, data, n) ... ; json_check_end(&c)     or json_check_all(&c, data, n)
 *   on -1: json_check_message(&c, text, sizeof text)
 *
 * Grammar: RFC 8259, one value, blanks around it; an empty (or blank) document is JSON_FAULT_EMPTY: the caller decides.
 * The struct takes 9 KB, of which a flat document touches a tenth.
 *
 * Accepted and refused as Lambda's front end (Jackson) does it, but overlong UTF-8, encoded surrogates and characters beyond
 * U+10FFFF are refused, a byte order mark too, and so is anything after the value: a \u escape may be half a surrogate pair, numbers of any
 * magnitude, duplicate keys and a NUL escape are fine; nesting deeper than JSON_CHECK_MAX_DEPTH, a number longer than
 * JSON_CHECK_MAX_NUMBER or a name longer than JSON_CHECK_MAX_NAME is not. Once failed, it stays failed. */
#ifndef MAYFLY_JSON_CHECK_H
#define MAYFLY_JSON_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_CHECK_MAX_DEPTH 1000
#define JSON_CHECK_MAX_NUMBER 1000
#define JSON_CHECK_MAX_NAME 50000
#define JSON_CHECK_TOKEN 256 /* of an unrecognised word kept for the message */

enum json_fault {
	JSON_OK,
	JSON_FAULT_EMPTY,        /* nothing but blanks */
	JSON_FAULT_CHAR,         /* a character that cannot stand here */
	JSON_FAULT_TOKEN,        /* a word that is not null, true or false */
	JSON_FAULT_UTF8_START,   /* byte that starts no character */
	JSON_FAULT_UTF8_MIDDLE,  /* byte that does not continue one */
	JSON_FAULT_CONTROL,      /* raw control character in a string or between tokens */
	JSON_FAULT_ESCAPE,       /* \x that is none */
	JSON_FAULT_HEX,          /* \u without four hex digits */
	JSON_FAULT_NUMBER,       /* leading zero, missing digits, ... */
	JSON_FAULT_END,          /* the input ends too early */
	JSON_FAULT_TRAILING,     /* a second value */
	JSON_FAULT_DEPTH,
	JSON_FAULT_LONG          /* number or name longer than allowed */
};

struct json_check {
	/* Result. The place is where Jackson sees the fault: at the character, or behind it for words, UTF-8 and the end;
	 * offset counts bytes from 0, line and column from 1 (columns are bytes). */
	enum json_fault fault;
	uint32_t code; /* the offending byte or character */
	uint64_t offset, line, column;

	/* Private. */
	uint8_t state, reason, last, escape_left, char_reason;
	uint8_t utf8_left, utf8_min, utf8_max;
	bool is_name, trailing, is_float;
	uint16_t depth, token_len;
	uint32_t partial;
	const uint8_t *piece;
	uint64_t seen, line_start, after_cr, start, digits;
	struct {
		uint32_t line, column;
	} second; /* where a second value began */
	char token[JSON_CHECK_TOKEN + 4];
	/* From here on only what is in use is ever touched. */
	uint8_t in_object[(JSON_CHECK_MAX_DEPTH + 8) / 8];
	struct {
		uint32_t line, column;
	} opened[JSON_CHECK_MAX_DEPTH];
};

void json_check_init(struct json_check *c);
int json_check_feed(struct json_check *c, const void *data, size_t n);
int json_check_end(struct json_check *c);
int json_check_all(struct json_check *c, const void *data, size_t n); /* init, feed, end */

/* Jackson's text for the fault, with its "\n at [Source: ...; line: 1, column: 3]"; cut to size. Returns dst. An invoke
 * answers "Could not parse request body into json: Could not parse payload into json: " and this. */
#define JSON_CHECK_MESSAGE_SIZE 1024
char *json_check_message(const struct json_check *c, char *dst, size_t size);

#endif
