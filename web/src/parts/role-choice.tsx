// What another device may do.

import { ROLES } from "../words";

export function RoleChoice({
  role,
  onChoose,
  legend,
  isFixed = false,
}: {
  role: string;
  onChoose: (role: string) => void;
  legend: string;
  isFixed?: boolean;
}) {
  return (
    <fieldset disabled={isFixed}>
      <legend>{legend}</legend>
      {Object.entries(ROLES).map(([name, about]) => (
        <label key={name} class="line">
          <input type="radio" name="role" checked={role === name} onChange={() => onChoose(name)} />
          <span>
            <strong>{name}</strong>: {about}
          </span>
        </label>
      ))}
    </fieldset>
  );
}
