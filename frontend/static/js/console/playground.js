/** Starts Stimulus with the controllers of the playground and its models. */
import { Application } from "@hotwired/stimulus";

import CheckController from "./check_controller.js";
import PlaygroundController from "./playground_controller.js";
import VersionController from "./version_controller.js";

const application = Application.start();
application.register("check", CheckController);
application.register("playground", PlaygroundController);
application.register("version", VersionController);
