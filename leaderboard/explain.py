"""What a reader must know to read the tables right: shown under them in every output."""

from __future__ import annotations

from fflbench.leaderboard.board import Board


def reading_notes(board: Board) -> list[str]:
    """One rule a line."""
    return [
        "Each number is a mean over seeds ± the half-width of its 95% t interval; with one seed there is no interval. "
        "'2 of 3 seeds' says that a seed is missing.",
        "Worst-case accuracy is, seed by seed, the lowest accuracy under any attack, then the mean over seeds; "
        "worst-case PSNR and SSIM are the highest that any reconstruction reached, the server's best.",
        "Threat models are never ranked together: what an attacker or a server knows and may do decides which attacks a "
        "score is over. Scores whose name states none are under the weakest.",
        "A task's ranks go by the worst case. Defenses whose seed-paired difference to the best of their group includes 0 "
        "share a rank, marked =. One seed supports no rank.",
        "Standings go by the mean rank over blocks, a block being one task under one attack. Friedman's test says whether "
        "the defenses differ at all; those within Nemenyi's critical difference of the best of their group share a rank. "
        "Intervals are from a bootstrap over blocks. In a block with failed or missing runs a defense is last; where an "
        "attack does not fit it, it counts at its accuracy without attackers, or at what an ignorant observer scores.",
        "A diverged run counts at the accuracy it had, or 0 where its model was lost; a defense with failed or "
        "missing runs shares the last rank. An attack that does not fit a defense (incompatible) does not count.",
        "Pareto: no other fully measured defense is at least as good in clean accuracy, worst-case accuracy and "
        "worst-case PSNR and better in one of them. A defense that lacks a track is never marked. Intervals play no part.",
        "The joint view is the mean over the tasks that at least half of the defenses ran on, poisoning tasks only if they "
        "have all threat models; other tasks are shown by themselves.",
        f"Differences in the data files and details are to {board.reference}, paired by seed, with their own t interval.",
        "grey and random start are what an observer scores who knows nothing: a reconstruction no better than these "
        "gave nothing away.",
    ]
