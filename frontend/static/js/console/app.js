/** Starts Stimulus with the controllers of the researcher's pages. */
import { Application } from "@hotwired/stimulus";

import EraseController from "./erase_controller.js";
import ExportController from "./export_controller.js";
import ExportFormController from "./export_form_controller.js";
import AdjudicateController from "./adjudicate_controller.js";
import ConfirmController from "./confirm_controller.js";
import PromoteController from "./promote_controller.js";
import RoundController from "./round_controller.js";
import StartRoundController from "./start_round_controller.js";

const application = Application.start();
application.register("erase", EraseController);
application.register("export", ExportController);
application.register("export-form", ExportFormController);
application.register("adjudicate", AdjudicateController);
application.register("confirm", ConfirmController);
application.register("promote", PromoteController);
application.register("round", RoundController);
application.register("start-round", StartRoundController);
