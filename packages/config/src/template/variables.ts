import type { Value } from './value.ts';

interface Variable {
  readonly name: string;
  value: Value;
}

/** Variables in scope, the innermost last: a name hides the same name around it. */
export class Variables {
  readonly #variables: Variable[];

  /** @param root the value of `$` */
  constructor(root: Value) {
    this.#variables = [{ name: '$', value: root }];
  }

  /** How many there are, for {@link leave}. */
  get count(): number {
    return this.#variables.length;
  }

  /** Leaves a scope: what was declared since there were `count` is gone. */
  leave(count: number): void {
    this.#variables.length = count;
  }

  declare(name: string, value: Value): void {
    this.#variables.push({ name, value });
  }

  /** Changes the innermost of that name. */
  assign(name: string, value: Value): void {
    const variable = this.#find(name);
    if (variable !== undefined) variable.value = value;
  }

  lookUp(name: string): Value {
    return this.#find(name)?.value;
  }

  #find(name: string): Variable | undefined {
    return this.#variables.findLast((variable) => variable.name === name);
  }
}
