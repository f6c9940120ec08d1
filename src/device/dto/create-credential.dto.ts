import { IsInt, Max, Min } from 'class-validator';
import { Optional } from '../../common/optional.js';

const MOST_SECONDS = 7 * 86_400;
const OVERLAP = { message: `overlapSeconds must be a whole number from 0 to ${MOST_SECONDS}` };

/** Body of `POST /v1/devices/{id}/credentials`. */
export class CreateCredentialDto {
  @Optional()
  @IsInt(OVERLAP)
  @Min(0, OVERLAP)
  @Max(MOST_SECONDS, OVERLAP)
  readonly overlapSeconds: number = 86_400;
}
