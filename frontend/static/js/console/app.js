/** Starts Stimulus with the controllers of the researcher's pages. */
import { Application } from "@hotwired/stimulus";

import PromoteController from "./promote_controller.js";
import RoundController from "./round_controller.js";
import StartRoundController from "./start_round_controller.js";

const application = Application.start();
application.register("promote", PromoteController);
application.register("round", RoundController);
application.register("start-round", StartRoundController);
