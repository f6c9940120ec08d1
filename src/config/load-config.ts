import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { validateSync } from 'class-validator';
import { distance } from 'fastest-levenshtein';
import { AccessConfig } from './access.config.js';
import { AccessMode } from './access.mode.js';
import { BrokerConfig } from './broker.config.js';
import { ConfigError, type ConfigProblem } from './config.error.js';
import { HttpConfig } from './http.config.js';
import { certificateWarnings, clearTextWarnings } from './listener.rules.js';
import { LogConfig } from './log.config.js';
import { MqttConfig } from './mqtt.config.js';
import { RetentionConfig } from './retention.config.js';
import { crossProblems, UNAVAILABLE, WITHOUT_EFFECT } from './rules.js';
import { type SettingSpec, settingsOf } from './setting.decorator.js';
import { StorageConfig } from './storage.config.js';
import { TlsConfig, WebSocketConfig } from './tls.config.js';
import { TopicConfig } from './topic.config.js';

/** The classes that are injected, in the order in which their settings are documented. */
export const CONFIG_CLASSES = [
  HttpConfig,
  MqttConfig,
  TlsConfig,
  WebSocketConfig,
  BrokerConfig,
  TopicConfig,
  StorageConfig,
  RetentionConfig,
  AccessConfig,
  LogConfig,
] as const;

type ConfigClass = (typeof CONFIG_CLASSES)[number];

/** The validated configuration: one instance per class, and what is odd but no reason to stop. */
export interface LoadedConfig {
  get<T extends ConfigClass>(type: T): InstanceType<T>;
  readonly mode: AccessMode;
  readonly warnings: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads `.env`, `.env.local` and the environment (each wins over the one before it), checks everything, and returns the
 * configuration. Throws {@link ConfigError} with all problems. The only reader of the environment in the program.
 */
export function loadConfig(environment: Environment = process.env, directory = process.cwd()): LoadedConfig {
  const problems: ConfigProblem[] = [];
  const values = valuesOf(environment, directory);
  const instances = new Map<ConfigClass, object>();
  for (const type of CONFIG_CLASSES) instances.set(type, build(type, values, problems));
  for (const [variable, detail] of Object.entries(UNAVAILABLE)) {
    if (values[variable]) problems.push({ variable, detail });
  }
  const get = <T extends ConfigClass>(type: T): InstanceType<T> => instances.get(type) as InstanceType<T>;
  const wrong = new Set(problems.map(({ variable }) => variable));
  const isWrong = (variable: string): boolean => wrong.has(variable);
  problems.push(...crossProblems(get, isWrong));
  if (problems.length > 0) throw new ConfigError(problems);
  const mode = AccessMode.of(get(AccessConfig), get(HttpConfig), get(MqttConfig), get(BrokerConfig).url === null);
  const embedded = get(BrokerConfig).url === null;
  const warnings = [
    ...certificateWarnings(get(TlsConfig)),
    ...clearTextWarnings(get(HttpConfig), get(MqttConfig), get(TlsConfig), get(WebSocketConfig), embedded),
    ...withoutEffect(values),
    ...misspelt(values),
  ];
  return { get, mode, warnings };
}

/** Reads and checks the settings of one class alone, for commands that need no others. Throws {@link ConfigError}. */
export function loadPart<T extends ConfigClass>(
  type: T,
  environment: Environment = process.env,
  directory = process.cwd(),
): InstanceType<T> {
  const problems: ConfigProblem[] = [];
  const instance = build(type, valuesOf(environment, directory), problems);
  if (problems.length > 0) throw new ConfigError(problems);
  return instance as InstanceType<T>;
}

function valuesOf(environment: Environment, directory: string): Environment {
  const files = ['.env', '.env.local'].map((name) => readEnvFile(join(directory, name)));
  return { ...files[0], ...files[1], ...environment };
}

function readEnvFile(path: string): Environment {
  return existsSync(path) ? parseEnv(readFileSync(path, 'utf8')) : {};
}

function build(type: ConfigClass, values: Environment, problems: ConfigProblem[]): object {
  const instance: Record<string, unknown> = new type() as unknown as Record<string, unknown>;
  const unreadable = new Set<string>();
  for (const spec of settingsOf(type)) {
    try {
      instance[spec.property] = spec.parse(textOf(spec, values));
    } catch (error) {
      unreadable.add(spec.property);
      problems.push({ variable: spec.variable, detail: (error as Error).message });
    }
  }
  for (const { property, constraints } of validateSync(instance)) {
    const setting = settingsOf(type).find((spec) => spec.property === property);
    if (!setting || unreadable.has(property)) continue;
    problems.push({ variable: setting.variable, detail: Object.values(constraints ?? {})[0]! });
  }
  return instance;
}

function textOf({ variable, fileVariable, fallback }: SettingSpec, values: Environment): string {
  const path = fileVariable === null ? undefined : values[fileVariable];
  if (!path) return values[variable] ?? fallback;
  if (values[variable]) throw new Error(`is given twice: leave out either ${variable} or ${fileVariable}`);
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    throw new Error(`${fileVariable} must be a file that can be read (${(error as NodeJS.ErrnoException).code})`, {
      cause: error,
    });
  }
}

function withoutEffect(values: Environment): string[] {
  return WITHOUT_EFFECT.filter((name) => values[name]).map((name) => `${name} has no effect in this version`);
}

const WELL_KNOWN = new Set(['HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY']);
const OUR_PREFIX = /^(HTTP|MQTT|DATABASE|RETENTION|DEVICE|TOPIC|MESSAGE|LOG|ACCESS)_/;

/** Names that look like ours but are not: within two edits of one of ours, or with one of our prefixes. */
function misspelt(values: Environment): string[] {
  const known = [
    ...CONFIG_CLASSES.flatMap((type) =>
      settingsOf(type).flatMap(({ variable, fileVariable }) =>
        fileVariable === null ? [variable] : [variable, fileVariable],
      ),
    ),
    ...Object.keys(UNAVAILABLE),
    ...WITHOUT_EFFECT,
  ];
  const warnings: string[] = [];
  for (const name of Object.keys(values)) {
    if (known.includes(name) || WELL_KNOWN.has(name.toUpperCase()) || name !== name.toUpperCase()) continue;
    const nearest = known.reduce((best, other) => (distance(name, other) < distance(name, best) ? other : best));
    const near = distance(name, nearest) <= 2;
    if (near || OUR_PREFIX.test(name)) {
      warnings.push(`${name} is no setting of Signalbox and is ignored${near ? `; did you mean ${nearest}?` : ''}`);
    }
  }
  return warnings;
}
