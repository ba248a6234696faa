/** Starts Stimulus with the controllers of the researcher's pages. */
import { Application } from "@hotwired/stimulus";

import AskAgainController from "./ask_again_controller.js";
import EraseController from "./erase_controller.js";
import EvaluationFormController from "./evaluation_form_controller.js";
import ExportController from "./export_controller.js";
import ExportFormController from "./export_form_controller.js";
import AdjudicateController from "./adjudicate_controller.js";
import ConfirmController from "./confirm_controller.js";
import LiveController from "./live_controller.js";
import ImportController from "./import_controller.js";
import PromoteController from "./promote_controller.js";
import QuarantineController from "./quarantine_controller.js";
import RoundController from "./round_controller.js";
import ShortcutsController from "../controllers/shortcuts_controller.js";
import RoundLogController from "./round_log_controller.js";
import RoundSamplesController from "./round_samples_controller.js";
import ScheduleController from "./schedule_controller.js";
import StartRoundController from "./start_round_controller.js";

const application = Application.start();
application.register("ask-again", AskAgainController);
application.register("erase", EraseController);
application.register("evaluation-form", EvaluationFormController);
application.register("export", ExportController);
application.register("export-form", ExportFormController);
application.register("adjudicate", AdjudicateController);
application.register("confirm", ConfirmController);
application.register("live", LiveController);
application.register("import", ImportController);
application.register("promote", PromoteController);
application.register("quarantine", QuarantineController);
application.register("round", RoundController);
application.register("shortcuts", ShortcutsController);
application.register("round-log", RoundLogController);
application.register("round-samples", RoundSamplesController);
application.register("schedule", ScheduleController);
application.register("start-round", StartRoundController);
