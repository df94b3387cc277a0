"""Balances a pole without seeing velocities (reinforcement learning): torch's LSTM or pyrnn's.

Where an episode starts, a state has to begin anew. RecurrentPPO of sb3-contrib cuts what it saw
there, pads the pieces, and loops over their steps in Python. `Policy` makes one call of the loop,
by `resets`; with `WholeRows` nothing is cut, either. The three learn by turns, from the same random
numbers and on one thread. PPO without memory is what they have to beat.
"""

import time

import gymnasium
import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.buffers import RecurrentRolloutBuffer
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.utils import FloatSchedule, set_random_seed
from stable_baselines3.common.vec_env import VecNormalize

import pyrnn.torch
from _common import options, report

ENVIRONMENTS, UNITS, GAMMA = 8, 64, 0.98


class Policy(RecurrentActorCriticPolicy):
    """RecurrentPPO's own policy, but for its LSTMs."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        pyrnn.torch.replace_rnns(self)

    @staticmethod
    def _process_sequence(features, lstm_states, episode_starts, lstm):
        rows = lstm_states[0].shape[1]
        x = features.reshape(rows, -1, lstm.input_size).transpose(0, 1)
        resets = episode_starts.reshape(rows, -1).T.bool()
        y, lstm_states = lstm(x, lstm_states, resets=resets)
        return y.transpose(0, 1).flatten(0, 1), lstm_states


class WholeRows(RecurrentRolloutBuffer):
    """A row of samples for each environment, which tells where episodes start and is not cut."""

    def _get_samples(self, batch_inds, env_change, env=None):
        starts, self.episode_starts = self.episode_starts, np.zeros_like(self.episode_starts)
        samples = super()._get_samples(batch_inds, env_change, env)
        self.episode_starts = starts
        return samples._replace(episode_starts=self.pad_and_flatten(starts[batch_inds]))


class Timed:
    """Notes the processor time that an algorithm's update takes."""

    def train(self):
        start = time.process_time()
        super().train()
        self.seconds = time.process_time() - start


def make(algorithm, policy, seed, **settings):
    """A model with CartPoles of its own, of which it sees the positions and angles alone."""
    how = {"func": lambda state: state[::2], "observation_space": gymnasium.spaces.Box(-5, 5, (2,))}
    wrapper = {"wrapper_class": gymnasium.wrappers.TransformObservation, "wrapper_kwargs": how}
    poles = VecNormalize(make_vec_env("CartPole-v1", ENVIRONMENTS, seed, **wrapper), gamma=GAMMA)
    timed = type("TimedPPO", (Timed, algorithm), {})
    return timed(policy, poles, gamma=GAMMA, gae_lambda=0.9, seed=seed, device="cpu", **settings)


def learn(models, updates, seed):
    """Median times of the models' updates, and how many went by with the same actions of all."""
    times, same = np.zeros((updates, len(models))), 0
    for update in range(updates):
        for index, model in enumerate(models):
            set_random_seed(1000 * seed + update)
            model.lr_schedule = FloatSchedule(4e-3 * (1 - update / updates))
            model.learn(model.n_steps * ENVIRONMENTS, reset_num_timesteps=False)
            times[update, index] = model.seconds
        first, *others = (model.rollout_buffer.actions for model in models)
        same += same == update and all(np.array_equal(first, other) for other in others)
    return np.median(times, axis=0), same


def run(seed, updates, episodes, settings):
    """Returns of torch's LSTM, `Policy`, `WholeRows` and no memory; `learn` of the first three."""
    recurrent = settings | {"policy_kwargs": {"lstm_hidden_size": UNITS}}
    policies = RecurrentActorCriticPolicy, Policy, Policy
    models = [make(RecurrentPPO, policy, seed, **recurrent) for policy in policies]
    models[2].rollout_buffer.__class__ = WholeRows  # RecurrentPPO has no argument for it
    alone = make(PPO, "MlpPolicy", seed, **settings)
    (times, same), _ = learn(models, updates, seed), learn([alone], updates, seed)
    returns = [evaluate_policy(m, m.get_env(), episodes)[0] for m in (*models, alone)]
    print(f"  seed {seed}: returns {np.round(returns, 1)}, times {np.round(times, 2)}", flush=True)
    return returns, times, same


def main():
    args = options(__doc__, seeds=2).parse_args()
    torch.set_num_threads(1)
    steps, epochs, updates, episodes = (16, 1, 2, 2) if args.quick else (128, 10, 25, 20)
    settings = {"n_steps": steps, "n_epochs": epochs, "batch_size": ENVIRONMENTS * steps // 2}
    runs = [run(seed, updates, episodes, settings) for seed in range(args.seeds)]
    returns, times, same = (np.array(part) for part in zip(*runs, strict=True))
    (_, cut, whole), (theirs, of_cut, ours, alone) = (times[:, :1] / times).T, returns.T
    remark = f"the same actions in the first {' and '.join(map(str, same))} of {updates} updates"
    others = [("torch's LSTM", np.mean(theirs)), ("episodes cut", np.mean(of_cut))]
    line = {"baseline": ("PPO without memory", np.mean(alone)), "others": others, "remark": remark}
    line |= {"model": f"recurrent PPO, LSTM, {UNITS} units", "metric": "mean return, at most 500"}
    report(args, task="a pole without velocities", results=ours, **line)
    line |= {"baseline": ("torch's LSTM", 1), "others": [("episodes cut", np.mean(cut))]}
    line |= {"metric": "torch's time over pyrnn's", "remark": "time of one processor"}
    report(args, task="an update's time", results=whole, **line)


if __name__ == "__main__":
    main()
