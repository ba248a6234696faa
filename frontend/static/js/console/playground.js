/** Starts Stimulus with the controllers of the playground and its models. */
import { Application } from "@hotwired/stimulus";

import PlaygroundController from "./playground_controller.js";
import VersionController from "./version_controller.js";

const application = Application.start();
application.register("playground", PlaygroundController);
application.register("version", VersionController);
