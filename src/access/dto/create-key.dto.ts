import { Transform } from 'class-transformer';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsInt, Matches, ValidateBy } from 'class-validator';
import { isGrantable, SCOPES, type Tags } from '../../common/access.js';
import { parseTime } from '../../common/clock.js';
import { IsTags } from '../../common/is-tags.js';
import { COMMAND_TYPE } from '../../common/ids.js';
import { described, type JsonSchema, TIME_SCHEMA } from '../../common/json-schema.js';
import { Optional } from '../../common/optional.js';
import { printable } from '../../common/printable.js';

const MAX_SCOPES = 100;
const NAME = printable(128);

const SCOPE: JsonSchema = {
  anyOf: [{ enum: SCOPES }, { type: 'string', pattern: `^commands:send:${COMMAND_TYPE.source.slice(1)}` }],
};

function IsScopeList(): PropertyDecorator {
  const message = `scopes must be of ${SCOPES.join(', ')}, commands:send:<type>`;
  return ValidateBy(
    { name: 'isScope', validator: { validate: (scope) => typeof scope === 'string' && isGrantable(scope) } },
    { each: true, message, ...described(SCOPE) },
  );
}

/** Body of `POST /v1/api-keys`. */
export class CreateKeyDto {
  @Matches(NAME, { message: 'name must be 1-128 printable characters' })
  readonly name!: string;

  @IsArray({ message: 'scopes must be an array' })
  @ArrayMinSize(1, { message: 'scopes must name at least one' })
  @ArrayMaxSize(MAX_SCOPES, { message: `scopes may name at most ${MAX_SCOPES}` })
  @IsScopeList()
  @ArrayUnique({ message: 'scopes must be different' })
  readonly scopes!: readonly string[];

  @Optional()
  @IsTags({ least: 1 })
  readonly tags?: Tags;

  /** Epoch milliseconds. */
  @Optional()
  @Transform(({ value }: { readonly value: unknown }) => parseTime(value) ?? value)
  @IsInt({
    message: 'expiresAt must be a time: RFC 3339 with a zone, or epoch milliseconds',
    ...described(TIME_SCHEMA),
  })
  readonly expiresAt?: number;
}
