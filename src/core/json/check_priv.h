/* Private to core/json: what went wrong, in the validator's own detail. One row gives the public kind and Jackson's text.
 *
 * In a text: %c the character described, %x its code in hex, %t the word, %d "Object", "Array" or "root", %s where that
 * began, %m the bracket that fits, %l the last token, %n a length. */
#ifndef MAYFLY_JSON_CHECK_PRIV_H
#define MAYFLY_JSON_CHECK_PRIV_H

#define VALID_VALUES "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')"

/* X(name, public kind, text, with the place) */
#define JSON_REASONS(X) \
	X(NONE, JSON_OK, "no error", 0) \
	X(EMPTY, JSON_FAULT_EMPTY, "No content to map due to end-of-input", 1) \
	X(VALUE, JSON_FAULT_CHAR, "Unexpected character (%c): expected a valid value " VALID_VALUES, 1) \
	X(EXPECTED, JSON_FAULT_CHAR, "Unexpected character (%c): expected a value", 1) \
	X(NAME, JSON_FAULT_CHAR, "Unexpected character (%c): was expecting double-quote to start field name", 1) \
	X(COLON, JSON_FAULT_CHAR, "Unexpected character (%c): was expecting a colon to separate field name and value", 1) \
	X(COMMA, JSON_FAULT_CHAR, "Unexpected character (%c): was expecting comma to separate %d entries", 1) \
	X(ROOT_SPACE, JSON_FAULT_CHAR, "Unexpected character (%c): Expected space separating root-level values", 1) \
	X(COMMENT, JSON_FAULT_CHAR, \
	  "Unexpected character (%c): maybe a (non-standard) comment? (not recognized as one since Feature 'ALLOW_COMMENTS' not " \
	  "enabled for parser)", \
	  1) \
	X(CLOSE, JSON_FAULT_CHAR, "Unexpected close marker '%m", 1) \
	X(SPACE, JSON_FAULT_CONTROL, "Illegal character (%c): only regular white space (\\r, \\n, \\t) is allowed between tokens", 1) \
	X(RAW_STRING, JSON_FAULT_CONTROL, \
	  "Illegal unquoted character (%c): has to be escaped using backslash to be included in string value", 1) \
	X(RAW_NAME, JSON_FAULT_CONTROL, "Illegal unquoted character (%c): has to be escaped using backslash to be included in name", 1) \
	X(ESCAPE, JSON_FAULT_ESCAPE, "Unrecognized character escape %c", 1) \
	X(HEX, JSON_FAULT_HEX, "Unexpected character (%c): expected a hex-digit for character escape sequence", 1) \
	X(START_BYTE, JSON_FAULT_UTF8_START, "Invalid UTF-8 start byte 0x%x", 1) \
	X(MIDDLE_BYTE, JSON_FAULT_UTF8_MIDDLE, "Invalid UTF-8 middle byte 0x%x", 1) \
	X(TOKEN, JSON_FAULT_TOKEN, "Unrecognized token '%t': was expecting " VALID_VALUES, 1) \
	X(NOT_FINITE, JSON_FAULT_TOKEN, "Non-standard token '%t': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow", 1) \
	X(PLUS, JSON_FAULT_NUMBER, \
	  "Unexpected character (%c) in numeric value: JSON spec does not allow numbers to have plus signs: enable " \
	  "`JsonReadFeature.ALLOW_LEADING_PLUS_SIGN_FOR_NUMBERS` to allow", \
	  1) \
	X(MINUS, JSON_FAULT_NUMBER, \
	  "Unexpected character (%c) in numeric value: expected digit (0-9) to follow minus sign, for valid numeric value", 1) \
	X(POINT, JSON_FAULT_NUMBER, "Unexpected character (%c) in numeric value: Decimal point not followed by a digit", 1) \
	X(EXPONENT, JSON_FAULT_NUMBER, "Unexpected character (%c) in numeric value: Exponent indicator not followed by a digit", 1) \
	X(LEADING_ZERO, JSON_FAULT_NUMBER, "Invalid numeric value: Leading zeroes not allowed", 1) \
	X(END_CLOSE, JSON_FAULT_END, "Unexpected end-of-input: expected close marker for %d (start marker at %s)", 1) \
	X(END_BETWEEN, JSON_FAULT_END, "Unexpected end-of-input within/between %d entries", 1) \
	X(END_TOKEN, JSON_FAULT_END, "Unexpected end-of-input in %l", 1) \
	X(END_STRING, JSON_FAULT_END, "Unexpected end-of-input in VALUE_STRING", 1) \
	X(END_NAME_START, JSON_FAULT_END, "Unexpected end-of-input: was expecting closing '\"' for name", 1) \
	X(END_NAME, JSON_FAULT_END, "Unexpected end-of-input in field name", 1) \
	X(END_ESCAPE, JSON_FAULT_END, "Unexpected end-of-input in character escape sequence", 1) \
	X(END_PLUS, JSON_FAULT_END, "Unexpected end-of-input in a Number value", 1) \
	X(TRAILING, JSON_FAULT_TRAILING, \
	  "Trailing token (of type %l) found after value (bound as `com.fasterxml.jackson.databind.JsonNode`): not allowed as per " \
	  "`DeserializationFeature.FAIL_ON_TRAILING_TOKENS`", \
	  1) \
	X(DEPTH, JSON_FAULT_DEPTH, \
	  "Document nesting depth (%n) exceeds the maximum allowed (1000, from `StreamReadConstraints.getMaxNestingDepth()`)", 0) \
	X(LONG_NUMBER, JSON_FAULT_LONG, \
	  "Number value length (%n) exceeds the maximum allowed (1000, from `StreamReadConstraints.getMaxNumberLength()`)", 0) \
	X(LONG_NAME, JSON_FAULT_LONG, \
	  "Name length (%n) exceeds the maximum allowed (50000, from `StreamReadConstraints.getMaxNameLength()`)", 0)

enum reason {
#define X(name, kind, text, place) REASON_##name,
	JSON_REASONS(X)
#undef X
};

/* X(name): Jackson's tokens; `null` stands for "none yet" */
#define JSON_TOKENS(X) \
	X(null) X(START_OBJECT) X(END_OBJECT) X(START_ARRAY) X(END_ARRAY) X(FIELD_NAME) X(VALUE_STRING) X(VALUE_NUMBER_INT) \
	X(VALUE_NUMBER_FLOAT) X(VALUE_TRUE) X(VALUE_FALSE) X(VALUE_NULL)

enum token {
#define X(name) TOKEN_##name,
	JSON_TOKENS(X)
#undef X
};

#endif
