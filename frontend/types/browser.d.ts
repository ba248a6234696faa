/**
 * What the type checker cannot know of itself about Stimulus, forms and events. For developers
 * alone: nothing here reaches a browser.
 */
import type { Context, Controller } from "@hotwired/stimulus";

interface Parts {
  element?: Element;
  targets?: Record<string, Element>;
  values?: Record<string, unknown>;
}

type Targets<T> = { readonly [K in keyof T & string as `${K}Target`]: T[K] }
  & { readonly [K in keyof T & string as `${K}Targets`]: T[K][] }
  & { readonly [K in keyof T & string as `has${Capitalize<K>}Target`]: boolean };

type Values<V> = { [K in keyof V & string as `${K}Value`]: V[K] }
  & { readonly [K in keyof V & string as `has${Capitalize<K>}Value`]: boolean };

type ElementOf<P extends Parts> = P["element"] extends Element ? P["element"] : HTMLElement;

declare global {
  /**
   * Stimulus' Controller with the properties it makes of `static targets` and `static values`:
   * `class extends /** @type {Typed<{targets: {rank: HTMLInputElement}}>} *\/ (Controller)`.
   * They are getters: a field of the same name would hide them.
   */
  type Typed<P extends Parts> = Omit<typeof Controller, "prototype">
    & (new (context: Context) => Controller<ElementOf<P>> & Targets<P["targets"]> & Values<P["values"]>);

  /** An event as an action gets it: `currentTarget` carries the action, `target` lies in it. */
  type On<Current extends Element, Target extends Element = Element> = Event & {
    readonly currentTarget: Current;
    readonly target: Target;
  };

  /** A form with the fields of these names. */
  type Form<Fields> = HTMLFormElement & { readonly elements: HTMLFormControlsCollection & Fields };
}
