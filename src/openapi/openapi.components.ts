import type { ErrorDetail } from '../common/errors.js';
import type { JsonSchema } from '../common/json-schema.js';
import { portableSource, printable } from '../common/printable.js';
import { type Problem, PROBLEM_JSON } from '../common/problem.js';

const STRING: JsonSchema = { type: 'string' };

// The types hold them to what is sent.
const ERROR_DETAIL: Record<keyof ErrorDetail, JsonSchema> = {
  pointer: { type: 'string', description: 'A JSON pointer (RFC 6901) into the body.' },
  parameter: { type: 'string', description: 'A parameter of the path or the query.' },
  header: STRING,
  detail: STRING,
  code: STRING,
};

const PROBLEM: Record<keyof Problem, JsonSchema> = {
  type: { type: 'string', format: 'uri' },
  title: STRING,
  status: { type: 'integer' },
  detail: STRING,
  instance: { type: 'string', description: 'The path of the request.' },
  code: { type: 'string', pattern: '^[A-Z][A-Z0-9_]*$', description: 'Stable; docs/errors.md lists all.' },
  requestId: { type: 'string', description: 'Also in the header X-Request-Id and in the log.' },
  errors: {
    type: 'array',
    items: { type: 'object', properties: ERROR_DETAIL, required: ['detail', 'code'], additionalProperties: false },
  },
  retryAfter: { type: 'integer', description: 'Seconds.' },
};

/** Schemas that many operations share. */
export const SHARED_SCHEMAS: Readonly<Record<string, JsonSchema>> = {
  Problem: {
    type: 'object',
    description: 'A problem document (RFC 9457).',
    properties: PROBLEM,
    required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'requestId'],
  },
  Page: {
    type: 'object',
    description:
      'A page of a list. The next one is had with nextCursor as the parameter cursor, under the same filters.',
    properties: {
      items: { type: 'array', items: { type: 'object' } },
      nextCursor: { type: ['string', 'null'] },
      hasMore: { type: 'boolean' },
    },
    required: ['items', 'nextCursor', 'hasMore'],
    additionalProperties: false,
  },
};

/** Headers of requests that handlers read by themselves. */
export const REQUEST_HEADERS = {
  'Idempotency-Key': {
    description: 'For 24 hours a repeat of the request gets the same command, with `Idempotency-Replayed: true`.',
    schema: { type: 'string', pattern: portableSource(printable(255)) },
  },
  Prefer: {
    description: '`wait=15`: waits for the end, 0 to 60 whole seconds (RFC 7240). Other preferences are ignored.',
    schema: STRING,
  },
} as const;

/** Headers that handlers ask Nest for. Accept, Authorization and Content-Type are told elsewhere in a description. */
export const NAMED_HEADERS: Readonly<Record<string, { readonly name: string; readonly description: string }>> = {
  'if-match': { name: 'If-Match', description: 'Changes only what still has this ETag, else 412.' },
  'if-none-match': { name: 'If-None-Match', description: '304 where this is still its ETag.' },
};

/** A refusal, or any other answer with a problem document. */
export function problemAnswer(description: string): object {
  return { description, content: { [PROBLEM_JSON]: { schema: { $ref: '#/components/schemas/Problem' } } } };
}

/** The refusals that many operations share, by status. */
export const PROBLEMS = {
  400: problemAnswer('Something in the request is not valid.'),
  401: problemAnswer('There is no valid login.'),
  403: problemAnswer('The login does not have the scope.'),
  404: problemAnswer('There is none that the caller may see.'),
  default: problemAnswer('Any other refusal; docs/errors.md lists the codes.'),
} as const;
