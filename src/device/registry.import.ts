import { Injectable } from '@nestjs/common';
import type { Actor, Principal } from '../common/access.js';
import { csvLine } from '../common/csv.js';
import { DomainError } from '../common/errors.js';
import { JsonError } from '../common/json.js';
import { toDomainError } from '../common/problem.js';
import { DtoValidationPipe } from '../common/validation.pipe.js';
import { CreateDeviceDto, newDevice } from './dto/create-device.dto.js';
import type { NewDevice } from './registry.device.js';
import { RegistryErrors } from './registry.errors.js';
import { csvReader, type Line, linesOf, readJsonLine, type ReadLine } from './registry.lines.js';
import { type CreatedDevice, Registrar } from './registry.registrar.js';

/** A line that no device came of, and why. */
interface FailedLine {
  readonly line: number;
  readonly code: string;
  readonly detail: string;
}

/** What became of an import. The secrets are told here and never again. */
export interface ImportResult {
  readonly created: number;
  readonly failed: readonly FailedLine[];
  readonly devices: readonly CreatedDevice[];
}

const MOST_LINES = 10_000;
/** Devices that are stored together. */
const LINES_PER_JOB = 100;

/** Creates many devices at once, each by itself: what is wrong with a line is that line's affair. */
@Injectable()
export class RegistryImport {
  private readonly pipe = new DtoValidationPipe();

  constructor(private readonly registrar: Registrar) {}

  /** Creates what the lines say. Throws BAD_CSV for a bad header, and TOO_MANY_LINES above 10,000; then nothing is stored. */
  async run(format: 'csv' | 'ndjson', body: Buffer, caller: Principal, actor: Actor): Promise<ImportResult> {
    const lines = linesOf(body);
    const read = format === 'csv' ? await csvReader(lines.shift()?.bytes ?? Buffer.alloc(0)) : readJsonLine;
    if (lines.length > MOST_LINES) {
      throw RegistryErrors.TOO_MANY_LINES(`There are ${lines.length} lines; the most is ${MOST_LINES}.`);
    }
    const failed: FailedLine[] = [];
    const devices: CreatedDevice[] = [];
    for (let i = 0; i < lines.length; i += LINES_PER_JOB) {
      const part = lines.slice(i, i + LINES_PER_JOB);
      for (const { line, outcome } of await this.store(part, read, caller, actor)) {
        if (outcome instanceof DomainError) failed.push({ line, code: outcome.code, detail: outcome.message });
        else devices.push(outcome);
      }
    }
    return { created: devices.length, failed, devices };
  }

  private async store(
    lines: readonly Line[],
    read: ReadLine,
    caller: Principal,
    actor: Actor,
  ): Promise<{ readonly line: number; readonly outcome: CreatedDevice | DomainError }[]> {
    const readings = await Promise.all(lines.map(({ bytes }) => this.deviceIn(bytes, read)));
    const devices = readings.filter((one): one is NewDevice => !(one instanceof DomainError));
    const created = (await this.registrar.createAll(devices, caller, actor)).values();
    return readings.map((one, i) => ({
      line: lines[i]!.number,
      outcome: one instanceof DomainError ? one : created.next().value!,
    }));
  }

  private async deviceIn(bytes: Buffer, read: ReadLine): Promise<NewDevice | DomainError> {
    try {
      const dto = await this.pipe.transform(read(bytes), { type: 'body', metatype: CreateDeviceDto });
      return newDevice(dto as CreateDeviceDto);
    } catch (error) {
      if (error instanceof DomainError || error instanceof JsonError) return toDomainError(error);
      throw error;
    }
  }
}

/** The result as CSV: what was created, then what failed. */
export function importAsCsv({ devices, failed }: ImportResult): string {
  return [
    csvLine(['id', 'credentialId', 'secret', 'line', 'code', 'detail']),
    ...devices.map(({ id, credential }) => csvLine([id, credential.id, credential.secret, null, null, null])),
    ...failed.map(({ line, code, detail }) => csvLine([null, null, null, line, code, detail])),
  ].join('');
}
