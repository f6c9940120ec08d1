import { later, row, type Row, test } from '../support/row.js';

/** The HTTP inputs of inputs-and-faults.md about what is sent, first half of the table in its order, and where each answer is shown. */
export const HTTP_CONTENTS: readonly Row[] = [
  row(
    'malformed, truncated, deeply nested (200,000 `[`), duplicate-key, `NaN`, `1e999`, invalid UTF-8, lone surrogate, `\\u0000` JSON',
    '400 (duplicate keys: last wins)',
    (own) => {
      const of = (name: string, ...more: readonly string[]) => [
        own('http.bodies', 'POST %s', '(%s) 400', name),
        ...more.map((title) => own('http.bodies', title, name)),
      ];
      const unreadable = '(%s, telemetry) 400';
      const judged = '(%s, telemetry) a verdict, and nothing stored';
      return {
        malformed: of('malformed', unreadable),
        truncated: of('truncated', unreadable),
        'deeply nested': [...of('deeply nested', judged), ...of('deeply nested and truncated', unreadable)],
        'duplicate-key': [own('http.bodies', '(duplicate-key) the last wins')],
        NaN: of('NaN', unreadable),
        '1e999': of('1e999', judged),
        'invalid UTF-8': of('invalid UTF-8', unreadable),
        'lone surrogate': of('a lone surrogate', judged),
        '\\u0000': of('\\u0000', judged),
      };
    },
  ),
  row(
    '`__proto__` anywhere, unknown fields',
    '400; no object is polluted; `constructor` is an ordinary key in params and telemetry',
    (own) => ({
      '__proto__ at the top': [
        own('http.fields', '(__proto__ at the top, %s) 400'),
        own('http.fields', '(an escaped __proto__, %s) 400'),
      ],
      '__proto__ deep inside': [own('http.fields', '(__proto__ deep inside, %s) 400')],
      '__proto__ in telemetry': [
        own('http.fields', '(%s, telemetry) a verdict, and nothing stored', '__proto__ in an array'),
      ],
      'unknown fields': [
        own('http.fields', '(an unknown field, %s) 400'),
        own('http.fields', '(a name that every object inherits as an unknown field, %s) 400'),
        own('http.fields', '(%s, telemetry) a verdict, and nothing stored', 'an unknown field'),
      ],
      'no object is polluted': [own('http.fields', '(no object is polluted) whatever route or topic it comes by')],
      'constructor in params': [
        own('http.fields', '(constructor in params) is an ordinary key, all the way to the device'),
      ],
      'constructor in telemetry': [
        own('http.fields', '(constructor in telemetry) is an ordinary metric, over HTTP and MQTT'),
      ],
    }),
  ),
  row('body over the limit, chunked without end, gzip bomb', '413 or 415, early', (own) => ({
    'over the limit': [
      own('http.limits', '(over the limit, %s) 413'),
      own('http.limits', '(10 GB announced, %s) 413 before any of it is sent'),
      test(
        'sensor/http-device',
        'POST /v1/device/telemetry',
        'refuses more than 256 KiB with 413, and more than 1 MiB too',
      ),
    ],
    'chunked without end': [
      own('http.limits', '(chunked without end, %s) 413 as soon as it is over the limit'),
      own(
        'http.limits',
        '(chunked without end, by a client that does not stop) counted and closed, and no more than a few MiB are taken',
      ),
    ],
    'gzip bomb': [own('http.limits', '(a bomb with %s) 415 on its head alone', 'gzip')],
  })),
  row('wrong content type or charset', '415', (own) => ({
    'content type': [own('http.limits', '(each of them, %s) 415'), own('http.limits', '(none at all, %s) 415')],
    charset: [
      own('http.limits', '(each of them, %s) 415'),
      test('http/inputs', 'A bad body', 'as %s %j is answered 415', 'application/json; charset=utf-16'),
    ],
  })),
  row(
    "another key's device; missing scope; HEAD, `//`, trailing slash, encoded variants of a protected route",
    '404 or 403, the same for every variant',
    () => {
      const of = (title: string) => test('access/matrix-rest', 'every route of the running application', title);
      const variants = of(
        'answers 401 to all without a valid login, 403 to a key without the scope, the same in every variant, and changes nothing',
      );
      return {
        "another key's device": [
          of('answers a key that is limited to other devices as if there were none, and changes nothing'),
          test(
            'access/tags-rest',
            'a key that is limited to tags',
            'is answered for a hidden device as for one that there is not',
          ),
        ],
        'missing scope': [variants],
        'HEAD, //, trailing slash, encoded': [
          variants,
          of(
            'lets a key in by one scope alone or by admin, and a limited one to its devices, the same in every variant',
          ),
        ],
      };
    },
  ),
  row(
    'wrong key by first or last byte; expired, revoked; JWT `alg: none`, HS256 signed with the public key, wrong `iss`/`aud`, 10 KB token',
    '401, no measurable time difference, same body',
    (own) => {
      const of = (...titles: readonly string[]) => own('http.keys', ...titles);
      const token = (name: string) => [of('(%s) 401, the same body as for a wrong key', name)];
      const key = [
        of('(keys) 401, the same body and challenge for each'),
        of('(time) no kind can be told from another by how long its answer takes'),
      ];
      return {
        'wrong key by first or last byte': key,
        expired: key,
        revoked: [
          ...key,
          test('access/keys', 'A revoked API key', 'is out with the next request, and there is no such key any more'),
        ],
        'JWT alg: none': token('JWT with alg none'),
        'HS256 signed with the public key': token('JWT signed with the public key'),
        'wrong iss': token('JWT with a wrong iss'),
        'wrong aud': token('JWT with a wrong aud'),
        '10 KB token': [...token('10 KB token'), ...token('10 KB token in the form of a key')],
        'a good key in a URL': [of('(a good key in the URL as %s) 401, and it is in no answer')],
        'a JWT of an issuer that is trusted, but for somebody else': later('JWTs are no logins yet'),
      };
    },
  ),
  row(
    '`limit=1e9`, `-1`, `0x10`; tampered cursor; `from > to`; year 300000; 1 ms bucket over a year',
    '400 with the pointer',
    (own) => ({
      limit: [
        own('http.queries', '(limit, %s) 400 with the parameter'),
        test('http/simple-routes', 'GET /sensors', 'refuses limit=%s', '0x10'),
      ],
      'tampered cursor': [
        own('http.queries', '(tampered cursor, %s) 400 with the parameter, at whatever place'),
        test('control/list', 'GET /v1/commands', 'refuses a cursor with other filters, or one that was tampered with'),
      ],
      'from > to': [own('http.queries', '(from > to, %s) 400 with the parameter')],
      'year 300000': [own('http.queries', '(year 300000, %s) 400 with the parameter')],
      '1 ms bucket over a year': later('there is no GET /v1/telemetry/query yet'),
    }),
  ),
  row('SQL in sort, metrics, filters; regex bombs in search', '400 or literal match', (own) => ({
    sort: [own('http.queries', '(sort, metrics and other parameters that there are not, %s) 400')],
    metrics: [
      own('http.queries', '(as values and names of metrics) are stored as they are'),
      test('services/sensor', 'services/sensor/history', 'refuses %j', '/metrics'),
    ],
    filters: [
      own('http.queries', '(filters that are names) 400'),
      own('http.queries', '(filters of topics) match what they say and nothing else'),
    ],
    'regex bombs': [
      own('http.queries', '(filters that are names) 400'),
      own('http.queries', '(a filter of topics that makes work) is answered at once'),
    ],
    'search in the list of devices': [
      own('http.registry', '(search in the list of devices) finds what it says, and nothing else'),
      own('http.registry', '(regex bombs in that search) are answered at once'),
      own('http.registry', '(%s of the list of devices) 400 with the parameter', 'sort'),
    ],
  })),
  row('CSV cell starting `= + - @` TAB CR', "prefixed with `'`, RFC 4180 quoting, `attachment`, nosniff", () => ({
    all: later('there is no export yet'),
  })),
  row(
    'webhook URL to loopback, private, link-local, metadata, IPv6-mapped, octal, redirecting or rebinding host, `file:`',
    '400 at creation and refused again at delivery',
    () => ({ all: later('there are no webhooks yet') }),
  ),
  row('`/..%2f..%2fetc/passwd`, `%5c`, NUL in static paths', '404', (own) => {
    const of = (path: string) => [own('http.queries', '(%s) 404, and the same for HEAD', path)];
    return {
      '/..%2f..%2fetc/passwd': of('/..%2f..%2fetc/passwd'),
      '%5c': of('/..%5c..%5cetc%5cpasswd'),
      NUL: of('/index.html%00.js'),
      'files of the dashboard': later('no file is served yet'),
    };
  }),
  row('markup in device names shown in the dashboard', 'shown as text; CSP without inline', (own) => ({
    'from the API': [
      own(
        'http.registry',
        '(until then) goes out as it came, in JSON that no browser takes for a page, under a policy without scripts',
      ),
    ],
    'in the dashboard': later('there is no dashboard yet'),
  })),
];
